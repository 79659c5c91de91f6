"""TSB method for demand with many zeros: the probability of demand times its size."""

from typing import TYPE_CHECKING, Literal

from gristmill.settings.base import Settings, Share

if TYPE_CHECKING:
    import keras

    from gristmill.domains.timeseries.data.dataset import Prepared


class Tsb(Settings):
    """The smoothed probability of demand times its smoothed size.

    Unlike Croston's method, it forecasts less and less where demand has ended. Source: Teunter, Syntetos & Babai,
    "Intermittent demand: Linking forecasting to inventory obsolescence", European Journal of Operational Research
    214(3), 2011.
    """

    kind: Literal["tsb"]
    probability: Share | None = None  # weight of the newest observation in the probability; chosen if not set
    size: Share | None = None  # weight of the newest demand in its size; chosen if not set

    def fit(self, data: "Prepared") -> "keras.Model":
        """Return the network."""
        from gristmill.domains.timeseries.fits.tsb import tsb_forecaster

        return tsb_forecaster(data, self.probability, self.size)
