"""A part has its own rows and labels, in the order of the index."""

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset

DATA = LabelledDataset(
    pd.DataFrame({"id": list("abcd"), "label": [1, 0, 2, 1], "part": ["train", "train", "test", "train"]}),
    ["no", "perhaps", "yes"],
)


def test_rows_of_a_part_count_from_0() -> None:
    assert DATA.rows("train")["id"].tolist() == ["a", "b", "d"]
    assert DATA.rows("test").index.tolist() == [0]


def test_labels_are_positions_of_classes() -> None:
    assert DATA.labels("train").tolist() == [1, 0, 1]
    assert DATA.labels("train").dtype == np.int64
    assert DATA.labels("validation").tolist() == []
