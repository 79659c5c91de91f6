"""Boosted trees on lags, means, seasons and known columns."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.domains.timeseries.data.view import ViewSettings, with_seasonal_history
from gristmill.settings.base import PositiveFloat, PositiveInt, Size

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class BoostedTrees(ViewSettings):
    """Trees of LightGBM that add to the last value; one model for all series and all steps of the horizon.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.
    """

    kind: Literal["boosted_trees"]
    rounds: PositiveInt = 1000  # maximum per target; the number is chosen on the latest fifth of the training set
    learning_rate: PositiveFloat = 0.05  # share of each tree that is added
    leaves: Size = 15  # maximum per tree
    depth: Literal[1, 2, 3, 4, 5, 6, 7, 8] = 6  # maximum number of splits on the way to a leaf
    min_rows: PositiveInt = 50  # minimum per leaf; smaller if there is little data

    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the forecaster; `Unsuitable` is raised with too few windows, or without LightGBM."""
        from gristmill.domains.timeseries.fits import boosting
        from gristmill.training.trees.tree_data import TreeSettings

        own = self.model_dump(include={"rounds", "learning_rate", "leaves", "depth", "min_rows"})
        settings = TreeSettings(**own, row_share=0.7, column_share=0.4, l2=1.0)
        return boosting.fit(with_seasonal_history(data, self.history), self.normalise, settings)
