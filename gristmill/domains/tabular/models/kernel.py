"""Kernel regression: predictions follow the nearest training rows. For tables of at most 3,000 training rows."""

from typing import TYPE_CHECKING, Literal

from gristmill.settings.base import NonNegativeFloat, PositiveFloat, Settings

if TYPE_CHECKING:
    import keras

    from gristmill.domains.tabular.dataset import Prepared


class Kernel(Settings):
    """Kernel ridge regression with a Matérn kernel; values that are not set are chosen on held-out rows."""

    kind: Literal["kernel"]
    width: PositiveFloat | None = None  # width of the kernel, in units of the median distance between training rows
    linear: NonNegativeFloat | None = None  # weight of a linear kernel, which continues trends
    penalty: PositiveFloat | None = None  # variance of the noise, relative to the target's; larger is smoother
    logarithm: bool | None = None  # learn the logarithm of the target

    def tuned(self, data: "Prepared") -> "Kernel":
        """Return the settings with the values chosen on the training rows."""
        from gristmill.domains.tabular.kernel_fit import choose

        data.check_task("regression", self.kind, "boosted_trees")
        if None not in (self.width, self.linear, self.penalty, self.logarithm):
            return self
        chosen = choose(data)._asdict()
        return self.model_copy(update={name: value for name, value in chosen.items() if getattr(self, name) is None})

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network from raw inputs to predictions."""
        from gristmill.domains.tabular.kernel_fit import Choice, kernel_regression

        chosen = self.tuned(data).model_dump(include={*Choice._fields})
        return kernel_regression(data, Choice(**chosen))
