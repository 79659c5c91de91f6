"""Constant predictions: the mean of the training targets, or the frequencies of their classes."""

from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.domains.tabular.task import check_task
from gristmill.settings.base import Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared


class Mean(Settings):
    """The same prediction for every row: the mean of the training targets."""

    kind: Literal["mean"]
    baseline: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the mean."""
        from gristmill.domains.tabular.constant_fit import constant

        check_task(data, "regression", self.kind, "majority")
        return constant(data)


class Majority(Settings):
    """The frequency of each class in the training set."""

    kind: Literal["majority"]
    baseline: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the frequencies."""
        from gristmill.domains.common.classification.labelled import refuse_balanced
        from gristmill.domains.tabular.constant_fit import constant

        check_task(data, "classification", self.kind, "mean")
        refuse_balanced(data.balanced)
        return constant(data)
