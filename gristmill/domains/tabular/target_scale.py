"""Scale on which a model learns the target: standardised, or the standardised logarithm of it."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from gristmill.domains.tabular.dataset import Layout, Prepared, Values
from gristmill.errors import RequestError
from gristmill.settings.number_text import format_number

_MIN_SKEWNESS = 1.0  # a target counts as skewed from here on
_MARGIN = 0.1  # predictions leave the range of the training targets by at most this share of the range


@dataclass(frozen=True)
class TargetScale:
    """A map from targets to numbers with mean 0 and deviation 1, and back."""

    logarithm: bool
    mean: float
    deviation: float
    range: tuple[float, float]  # scaled values to which predictions are clipped
    offset: float = 0.0  # added before the logarithm is taken

    @classmethod
    def fit(cls, target: Values, logarithm: bool = False, clip: bool = True) -> "TargetScale":
        """Return the scale of training targets. Logarithms are always clipped: an exponential has no limit.

        If some targets are 0, the smallest positive one is added before the logarithm is taken; for counts, that is 1.

        Raises:
            RequestError: the logarithm of a negative target is asked for.
        """
        if logarithm and target.min() < 0:
            raise RequestError(
                f"model.logarithm = true, but the target has negative values, such as {format_number(target.min())}. "
                "Leave it out."
            )
        offset = float(target[target > 0].min(initial=np.inf)) if logarithm and not target.all() else 0.0
        values = np.log(target + offset) if logarithm else target
        mean, deviation = float(values.mean()), float(values.std()) or 1.0
        lowest, highest = (float((value - mean) / deviation) for value in (values.min(), values.max()))
        margin = _MARGIN * (highest - lowest) if clip or logarithm else np.inf
        return cls(logarithm, mean, deviation, (lowest - margin, highest + margin), offset)

    @classmethod
    def of_layout(cls, layout: Layout) -> "TargetScale":
        """Return the scale that the settings ask for, without limits."""
        return cls(False, layout.mean[layout.target], layout.deviation[layout.target], (-np.inf, np.inf))

    def scaled(self, target: Values) -> Values:
        """Return scaled targets."""
        values: Values = ((np.log(target + self.offset) if self.logarithm else target) - self.mean) / self.deviation
        return values

    def restored(self, scaled: Values) -> Values:
        """Return scaled predictions in the target's units."""
        values: Values = np.clip(scaled, *self.range) * self.deviation + self.mean
        return np.exp(values) - self.offset if self.logarithm else values

    def restore_in_graph(self, scaled: keras.KerasTensor) -> keras.KerasTensor:
        """Return the graph of `restored`, (batch, 1)."""
        if np.isfinite(self.range).all():
            scaled = ops.clip(scaled, *self.range)
        values = keras.layers.Rescaling(self.deviation, self.mean, name="restore")(scaled)
        return ops.exp(values) - self.offset if self.logarithm else values


def target_scale(data: Prepared, skewed: str) -> TargetScale:
    """Return the scale of a network's target: the layout's, or logarithms of a skewed target if `skewed` is "log"."""
    target = data.truth[data.at("train")]
    if skewed == "log" and target.min() >= 0 and skewness(target) > _MIN_SKEWNESS:
        return TargetScale.fit(target, logarithm=True)
    return TargetScale.of_layout(data.layout)


def skewness(target: Values) -> float:
    """Return the skewness of targets; 0 if they are constant."""
    return float((((target - target.mean()) / (target.std() or 1.0)) ** 3).mean())


def possible_scales(target: Values, clip: bool = True) -> list[TargetScale]:
    """Return the scales that a kind may choose from: the logarithm only if no target is negative, and not all are 0."""
    choices = (False, True) if target.min() >= 0 and target.any() else (False,)
    return [TargetScale.fit(target, logarithm, clip) for logarithm in choices]
