"""The majority baseline gives the frequencies of the training set to every text."""

from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.text.models.majority import Majority
from gristmill.domains.text.text_classifier import LabelledTexts, TextClassifier
from gristmill.errors import Unsuitable


def test_every_text_gets_the_frequencies_of_the_classes(tmp_path: Path) -> None:
    model = Majority(kind="majority").fit(LabelledTexts(["x", "x y", "y", "z"], np.array([0, 0, 1, 2]), 4))

    model.write(tmp_path)

    for each in (model, TextClassifier.read(tmp_path)):
        made = each.predict(["x", "", "a long text that is not read"])
        assert made == pytest.approx(np.array([[0.5, 0.25, 0.25, 0]] * 3))


def test_it_refuses_class_weights() -> None:
    with pytest.raises(Unsuitable, match=r"train\.class_weights"):
        Majority(kind="majority").fit(LabelledTexts(["x", "y"], np.array([0, 1]), 2, balanced=True))
