"""Constant predictions: the mean of the training targets, or the frequencies of their classes."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

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
        data.check_task("regression", self.kind, "majority")
        return _constant_network(data, [data.truth[data.at("train")].mean()])


class Majority(Settings):
    """The frequency of each class in the training set."""

    kind: Literal["majority"]
    baseline: ClassVar[bool] = True
    constant: ClassVar[bool] = True

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to the frequencies."""
        import numpy as np

        from gristmill.domains.common.classification.labelled import refuse_balanced

        data.check_task("classification", self.kind, "mean")
        refuse_balanced(data.balanced)
        train = data.at("train")
        return _constant_network(data, np.bincount(data.labels[train], minlength=len(data.layout.classes)) / len(train))


def _constant_network(data: "Prepared", values: Any) -> "keras.Model":
    """Return the network that predicts the same values, (outputs,), for every row."""
    import keras
    import numpy as np
    from keras import ops

    from gristmill.domains.tabular.encoder import only, raw_input

    inputs = raw_input(data.layout)
    layer = keras.layers.Dense(len(values), trainable=False, name="mean")
    output = layer(ops.zeros_like(next(iter(inputs.values()))[:, :1], dtype="float32"))
    layer.set_weights([np.zeros((1, len(values))), np.array(values)])
    return keras.Model(only(inputs), output, name="classifier" if data.layout.classes else "regressor")
