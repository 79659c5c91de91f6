"""Linear and logistic regression on the columns, on pieces of them, or on their products.

Each chooses its penalty, and whether it learns the logarithm of a number, on held-out training rows.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared


class LeastSquares(Settings):
    """Ridge regression on standardised numbers and one-hot categories."""

    kind: Literal["least_squares"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to predictions."""
        from gristmill.domains.tabular.linear_fit import linear

        data.check_task("regression", self.kind, "logistic")
        return linear(data)


class Logistic(Settings):
    """Logistic regression with an L2 penalty, on standardised numbers and one-hot categories."""

    kind: Literal["logistic"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to probabilities."""
        from gristmill.domains.tabular.linear_fit import linear

        data.check_task("classification", self.kind, "least_squares")
        return linear(data)


class PiecewiseLinear(Settings):
    """Linear or logistic regression on a piecewise linear function of each number, with knots at quantiles."""

    kind: Literal["piecewise_linear"]
    pieces: Annotated[  # possible numbers of pieces of each column; the best one is used
        tuple[Annotated[int, Field(ge=2, le=64)], ...], Field(strict=False, min_length=1)
    ] = (4, 8, 16)

    def tuned(self, data: "Prepared") -> "PiecewiseLinear":
        """Return the settings with the number of pieces that is best for the training rows.

        With few rows, each fold makes its own choice, so that no choice knows the rows to predict.
        """
        from gristmill.domains.common.folds import MIN_EXAMPLES_WITHOUT_FOLDS
        from gristmill.domains.tabular.linear_fit import choose_pieces

        if len(self.pieces) == 1 or len(data.at("train")) < MIN_EXAMPLES_WITHOUT_FOLDS:
            return self
        return self.model_copy(update={"pieces": (choose_pieces(data, self.pieces),)})

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the sum."""
        from gristmill.domains.tabular.linear_fit import choose_pieces, piecewise_linear

        return piecewise_linear(data, choose_pieces(data, self.pieces))


class Quadratic(Settings):
    """Linear or logistic regression on the columns, their squares and their pairwise products."""

    kind: Literal["quadratic"]

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the polynomial's value."""
        from gristmill.domains.tabular.linear_fit import quadratic

        return quadratic(data)
