"""The importance of features in a report."""

from pathlib import Path

from gristmill.domains.common.permutation_importance import IMPORTANCE_FILE
from gristmill.reports.columns import importance_sections
from gristmill.util.table_io import write_document


def test_what_is_small_beside_the_error_is_zero_and_not_an_exponent(tmp_path: Path) -> None:
    features = [
        {"feature": "area", "rise": 14382.6, "low": 13061.2, "high": 15704},
        {"feature": "town", "rise": 1.388e-17, "low": None, "high": None},
        {"feature": "rooms", "rise": -12.3, "low": -16.3, "high": 4},
    ]
    found = {
        "metric": "mae",
        "part": "validation",
        "error": 12680.4,
        "examples": 2000,
        "of": "rows",
        "repeats": 5,
        "level": 0.95,
    }
    write_document(tmp_path / IMPORTANCE_FILE, found | {"features": features})

    (section,) = importance_sections(tmp_path / IMPORTANCE_FILE)

    assert "the MAE on the validation set (12,680 of 2,000 rows)" in section.note
    assert section.tables[0].rows == [
        ["area", "+14,383", "+13,061 to +15,704", "+113%"],
        ["town", "+0", "–", "+0%"],
        ["rooms", "-12", "-16 to +4", "-0%"],
    ]
