"""Linear and logistic regression on the columns, on pieces of them, or on their products; each in closed form.

Each chooses its penalty, and whether it learns the logarithm of a number, by cross-validation on the training rows.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.domains.tabular.task import check_task
from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared


class LeastSquares(Settings):
    """A linear function of the standardised numbers, with an intercept for each name of a category."""

    kind: Literal["least_squares"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to predictions."""
        from gristmill.domains.tabular.linear_fit import linear

        check_task(data, "regression", self.kind, "logistic")
        return linear(data)


class Logistic(Settings):
    """Logistic regression: logits that are linear in the standardised numbers, with an intercept for each name."""

    kind: Literal["logistic"]
    baseline: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to probabilities."""
        from gristmill.domains.tabular.linear_fit import linear

        check_task(data, "classification", self.kind, "least_squares")
        return linear(data)


class PiecewiseLinear(Settings):
    """A sum of functions of one column each, linear between quantiles of its training values; of classes, logits."""

    kind: Literal["piecewise_linear"]
    pieces: Annotated[  # possible numbers of pieces of each column; the best one is used
        tuple[Annotated[int, Field(ge=2, le=64)], ...], Field(strict=False, min_length=1)
    ] = (4, 8, 16)

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the sum."""
        from gristmill.domains.tabular.linear_fit import piecewise_linear

        return piecewise_linear(data, self.pieces)


class Quadratic(Settings):
    """A polynomial of degree two: the columns, their squares and the products of two of them; of classes, logits."""

    kind: Literal["quadratic"]

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the polynomial's value."""
        from gristmill.domains.tabular.linear_fit import quadratic

        return quadratic(data)
