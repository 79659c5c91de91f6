"""Settings that the domains of examples share: texts, photos and rows."""

from typing import Literal

from gristmill.settings.base import Fit


class TrainOnExamples(Fit):
    """Training of a network on examples, of which there may be few."""

    few_examples: Literal["train", "average", "refuse"] = (
        "train"  # below 1,000 examples: as usual, average networks of 3 folds, or no model
    )
