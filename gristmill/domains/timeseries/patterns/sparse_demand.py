"""Series with many zeros, such as the daily demand for a spare part.

Their mean absolute error is lowest for a forecast of 0. So models are compared by squared errors, whose
best forecast is the mean (Makridakis, Spiliotis & Assimakopoulos, "M5 accuracy competition", International Journal of
Forecasting 38(4), 2022).
"""

from gristmill.domains.timeseries.data.dataset import Prepared, inside

SPARSE = 0.5  # share of zeros from which series are sparse: then 0 has the smallest absolute error


def share_of_zeros(data: Prepared) -> float:
    """Return the share of zeros among the targets of the training set."""
    targets = len(data.layout.targets)
    is_zero = (data.values[:, :targets] == 0)[inside(len(data.values), data.part("train"))]
    return float(is_zero.mean()) if is_zero.size else 0.0


def is_sparse(data: Prepared) -> bool:
    """Return whether at least half of all values are 0."""
    return share_of_zeros(data) >= SPARSE
