"""Which errors are the surest."""

import pandas as pd

from gristmill.domains.common.classification.predictions import most_confident_errors


def test_the_surest_errors_come_first_and_what_is_right_not_at_all() -> None:
    rows = pd.DataFrame(
        [
            ("right", "a", "a", 0.99, 0.01),
            ("unsure", "a", "b", 0.45, 0.55),
            ("sure", "b", "a", 0.90, 0.10),
            ("as sure", "a", "b", 0.10, 0.90),
        ],
        columns=["id", "label", "predicted", "p_a", "p_b"],
    )

    assert most_confident_errors(rows, 12)["id"].tolist() == ["sure", "as sure", "unsure"]
    assert most_confident_errors(rows, 12)["probability"].tolist() == [0.9, 0.9, 0.55]
    assert most_confident_errors(rows, 1).index.tolist() == [2]
    assert most_confident_errors(rows.iloc[:1], 12).empty
