"""Gradient boosted decision trees, fitted by LightGBM."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from gristmill.settings.base import PositiveFloat, PositiveInt, Repeats, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared
    from gristmill.domains.tabular.tree_fit import TreeOptions


class BoostedTrees(Settings):
    """Gradient boosted trees by LightGBM, on numbers and target-encoded categories.

    Values that are not set are chosen on held-out training rows.
    """

    kind: Literal["boosted_trees"]
    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)
    loss: Literal["huber", "mae", "mse"] = "huber"  # loss on the standardised target; classes have cross-entropy
    rounds: PositiveInt | None = None  # number of trees in each ensemble
    logarithm: bool | None = None  # learn the logarithm of the target, which must not be negative
    out_of_fold: bool | None = None  # encode categories with few rows per value on other folds than the row's own
    sums: Repeats | None = None  # ensembles with different seeds to average; 4 below 2,500 rows, else 1
    learning_rate: PositiveFloat = 0.1  # share of each tree that is added
    leaves: Annotated[int, Field(ge=2, le=256)] = 15  # maximum per tree
    depth: Annotated[int, Field(ge=1, le=8)] = 6  # maximum number of splits on the way to a leaf
    min_rows: PositiveInt = 5  # minimum per leaf
    row_share: Annotated[float, Field(gt=0, le=1)] = 0.8  # share of the rows drawn for each tree
    column_share: Annotated[float, Field(gt=0, le=1)] = 1.0  # share of the columns drawn for each tree
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0  # seed of the draws

    def tuned(self, data: "Prepared") -> "BoostedTrees":
        """Return the settings with the values chosen on the training rows."""
        from gristmill.domains.tabular.tree_fit import choose

        is_complete = self.rounds and self.logarithm is not None and self.out_of_fold is not None
        return self if is_complete else self.model_copy(update=choose(data, self.options))

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to predictions."""
        from gristmill.domains.tabular.tree_fit import boosted_trees

        tuned = self.tuned(data)
        return boosted_trees(data, tuned.options, tuned.rounds or 1)

    @property
    def options(self) -> "TreeOptions":
        """The settings that the trees are fitted with."""
        from gristmill.domains.tabular.tree_fit import TreeOptions
        from gristmill.training.trees.tree_data import TreeSettings

        shared = {"learning_rate", "leaves", "depth", "min_rows", "row_share", "column_share", "seed"}
        trees = TreeSettings(**self.model_dump(include=shared))
        return TreeOptions(trees, self.loss, self.rounds, self.logarithm, self.out_of_fold, self.sums)
