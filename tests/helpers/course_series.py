"""The series of the course that several tests measure against."""

import numpy as np
import numpy.typing as npt


def main_series() -> npt.NDArray[np.float64]:
    """Return MAIN of course.md: 1461 days of a trend, a yearly shape and noise, in float32 as the course has it."""
    time = np.arange(1461, dtype=np.float32)
    part = (time % 365) / 365
    shape = np.where(part < 0.4, np.cos(part * 2 * np.pi), 1 / np.exp(3 * part))
    series = 10 + 0.05 * time + 40 * shape
    return (series + np.random.RandomState(42).randn(len(time)) * 5).astype(np.float32).astype(np.float64)
