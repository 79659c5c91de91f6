"""What a report shows of the permutation importance of features."""

from collections.abc import Iterator
from pathlib import Path

from gristmill.reports.sections import Section, Table
from gristmill.settings.messages import format_number, format_numbers
from gristmill.util.table_io import read_document


def importance_sections(file: Path, metrics: dict[str, str]) -> Iterator[Section]:
    """Yield how much each feature counts, where there is more than one.

    Args:
        file: importances as the evaluation wrote them; missing where there is one feature.
        metrics: their names, by key.
    """
    if not file.exists():
        return
    found = read_document(file)
    metric = metrics[found["metric"]]
    note = (
        f"By how much the {metric} on the {found['part']} part ({format_number(found['error'])} of "
        f"{found['examples']:,} "
        f"{found['of']}) rises when one feature is shuffled among them: mean and standard deviation of "
        f"{found['repeats']} shuffles. About 0 says that the model does without it, not that it tells nothing: "
        "features that are correlated share what they tell, and each looks unimportant beside the other. And a "
        "shuffled feature makes examples that never were."
    )
    names = [feature["feature"] for feature in found["features"]]
    rises = _beside(found["error"], [feature["rise"] for feature in found["features"]], sign=True)
    deviations = _beside(found["error"], [feature["deviation"] for feature in found["features"]])
    shares = [_share(feature["rise"], found["error"]) for feature in found["features"]]
    rows = [list(row) for row in zip(names, rises, deviations, shares, strict=True)]
    headings = ["feature", f"rise of {metric}", "±", f"of the {metric}"]
    yield Section("Importance of the features", note, tables=[Table("", headings, rows)])


def _beside(error: float, values: list[float], sign: bool = False) -> list[str]:
    """Return a column with decimals that suit the error too: rounding errors do not ask for more."""
    return format_numbers([error, *values], digits=3, sign=sign)[1:]


def _share(rise: float, error: float) -> str:
    return f"{rise / error:+.0%}" if error else "–"
