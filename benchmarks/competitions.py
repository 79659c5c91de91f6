"""Compare the pipelines that `gristmill init` writes with 21 published models on M1, M3 and tourism competitions.

    benchmarks/competitions.py [--only SET...] [--again] [--init] [--set KEY=VALUE...] [--write]

`make competitions` first writes the series with `competitions/write_series.py`, because they are not part of this
project. The pipelines in `competitions/pipelines.toml` are those that `init` proposes; `--init` writes them again.
Each set runs from an empty store. Finished sets are kept in a file (`--results`), so you can stop the benchmark and
resume it. `--set` tries other settings; then nothing is kept or written.

The published results in `competitions/published.csv` are from the benchmark fev of AutoGluon, with models of Nixtla
and others.
"""

import json
import math
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from measuring import GRISTMILL, ROOT, Ran, arguments, process, run, table, tell

FOLDER = ROOT / "benchmarks/competitions"
DATA = FOLDER / "data"
PIPELINES = FOLDER / "pipelines.toml"
PUBLISHED = FOLDER / "published.csv"

REFERENCE = "seasonal_naive"
OURS = "**gristmill**"
BEST = "best of 21 on each set"
PRESET = "good"
COVERAGE = 0.8  # nominal coverage of the intervals in the table
COLUMNS = ("set or model", "MASE", "best of 21", "WQL", "best of 21", "80 %", "s")
NOTES = (
    "Sets: MASE and WQL of the exported model, the best of the 21 published models on the set, coverage of its 80 % "
    "intervals, and seconds of the whole run. Models: geometric means over {sets} sets relative to the published "
    "seasonal naive forecast. MASE is scaled by the in-sample seasonal naive error of each series.",
    "How the members were chosen: by the stage `select`, for each set separately, on blocks before the test sets. The "
    "pipelines are those that `gristmill init` writes from data, horizon and size of the test set with `--preset "
    f"{PRESET}`; nothing is tuned by hand. An earlier experiment that decided which candidates exist used these "
    "test sets, so the list of candidates is not independent of them.",
    "Published results: the benchmark fev of AutoGluon (github.com/autogluon/fev).",
)


@dataclass(frozen=True)
class Figures:
    """Figures of one set."""

    mase: float
    naive: float  # MASE of the seasonal naive forecast
    wql: float | None
    coverage: float | None
    seconds: float
    members: str
    date: str
    commit: str


def horizons() -> dict[str, int]:
    """Return the horizon of each set; the test set of a series is its last values, one horizon."""
    known = published()
    return dict(zip(known["dataset"], known["horizon"], strict=True))


def published() -> pd.DataFrame:
    """Return the published results: `model`, `dataset`, `horizon`, `seasonality`, `mase`, `wql`."""
    return pd.read_csv(PUBLISHED, comment="#")


def write_pipelines() -> None:
    """Write the pipelines that `init` proposes into one file."""
    texts = []
    for name, horizon in sorted(horizons().items()):
        with tempfile.TemporaryDirectory() as folder:
            words = ["--domain", "timeseries", "--data", f"{name}.csv", "--name", name, "--preset", PRESET]
            words += ["--horizon", str(horizon), "--test", str(horizon), "--series", "series"]
            process([GRISTMILL, "init", folder, *words], GRISTMILL_DATA=str(DATA))
            texts.append((Path(folder) / "pipelines.toml").read_text("utf-8"))
    header, _, _ = texts[0].partition("\n")
    bodies = [text.removeprefix(header).strip("\n") for text in texts]
    PIPELINES.write_text("\n\n".join([header, *bodies]) + "\n", "utf-8")


def measured(name: str, changes: Sequence[str]) -> Figures:
    """Run the pipeline of one set from an empty store."""
    with tempfile.TemporaryDirectory() as store:
        return figures_of(run(name, Path(store), *changes, folder=FOLDER, GRISTMILL_DATA=str(DATA)))


def figures_of(ran: Ran) -> Figures:
    """Return the figures of a run."""
    scores = ran.record["scores"]
    test, baselines = scores["model"]["test"], scores["baselines"]
    naive = baselines.get(REFERENCE) or baselines["naive"]  # without a season, the two are the same
    members = (scores.get("selected") or {}).get("members", {})
    return Figures(
        mase=test["mase"],
        naive=naive["test"]["mase"],
        wql=test.get("wql"),
        coverage=test.get("coverage") if math.isclose(scores.get("level") or 0, COVERAGE) else None,
        seconds=ran.process.seconds,
        members=" + ".join(f"{weight:.0%} {name}" for name, weight in members.items()),
        date=str(date.today()),
        commit=commit(),
    )


def commit() -> str:
    """Return the commit of the working tree, followed by + if there are uncommitted changes."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def rows(results: Mapping[str, Figures]) -> Iterator[list[str]]:
    """Yield one row for each set, then one for each model, the best first."""
    known = published()
    best = known.groupby("dataset")[["mase", "wql"]].min()
    for name, found in results.items():
        yield [
            name,
            f"{found.mase:.3f}",
            f"{best['mase'][name]:.3f}",
            _shown(found.wql),
            f"{best['wql'][name]:.3f}",
            "–" if found.coverage is None else f"{found.coverage:.0%}",
            f"{found.seconds:.0f}",
        ]
    total = sum(found.seconds for found in results.values())
    models = relative(known, results)
    for name, (mase, wql) in sorted(models.items(), key=lambda item: item[1][0]):
        yield [name, f"{mase:.3f}", "", _shown(wql), "", "", f"{total:.0f}" if name == OURS else ""]


def relative(known: pd.DataFrame, results: Mapping[str, Figures]) -> dict[str, tuple[float, float | None]]:
    """Return the geometric means of MASE and WQL over the sets, relative to the published seasonal naive forecast."""
    by_model = known[known["dataset"].isin(results.keys())].set_index(["model", "dataset"])[["mase", "wql"]]
    reference = by_model.loc[REFERENCE]
    ratios = by_model / reference.reindex(by_model.index, level="dataset")
    means = ratios.groupby("model").agg(statistics.geometric_mean)
    found = {str(name): (float(row["mase"]), float(row["wql"])) for name, row in means.iterrows()}
    ours = statistics.geometric_mean(one.mase / reference["mase"][name] for name, one in results.items())
    losses = {name: one.wql for name, one in results.items() if one.wql is not None}
    whole = None
    if len(losses) == len(results):
        whole = statistics.geometric_mean(loss / reference["wql"][name] for name, loss in losses.items())
    best = ratios.groupby("dataset").min().agg(statistics.geometric_mean)
    return found | {OURS: (ours, whole), BEST: (float(best["mase"]), float(best["wql"]))}


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def lines(results: Mapping[str, Figures]) -> list[str]:
    """Return the table and its notes."""
    differ = max(abs(one.naive / reference_of(name) - 1) for name, one in results.items())
    members = [f"- {name}, {found.date}, commit {found.commit}: {found.members}" for name, found in results.items()]
    return [
        *table(COLUMNS, rows(results)),
        "",
        *(line for note in NOTES for line in (note.format(sets=len(results)), "")),
        f"The MASE of seasonal naive forecasts measured here differs from the published one by at most {differ:.2%}.",
        "",
        "Members and their weights, date and commit of each result:",
        "",
        *members,
    ]


def reference_of(name: str) -> float:
    """Return the published MASE of the seasonal naive forecast on a set."""
    known = published()
    return float(known[(known["model"] == REFERENCE) & (known["dataset"] == name)]["mase"].iloc[0])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="SET", help="names of sets, or prefixes of them")
    parser.add_argument("--again", action="store_true", help="also run sets that are already in the file")
    parser.add_argument("--init", action="store_true", help="write competitions/pipelines.toml again")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="try other settings; nothing is kept or written"
    )
    parser.add_argument(
        "--results", type=Path, default=ROOT / "data/store/competitions.json", help="file of finished sets"
    )
    asked = parser.parse_args()
    if asked.init or not PIPELINES.exists():
        write_pipelines()
    names = [name for name in sorted(horizons()) if name.startswith(tuple(asked.only))]
    if not names:
        parser.error(f"--only: no such set. Sets: {', '.join(sorted(horizons()))}")
    keep = not asked.set
    kept: dict[str, Any] = json.loads(asked.results.read_text()) if keep and asked.results.exists() else {}
    results = {name: Figures(**found) for name, found in kept.items()}
    for name in names:
        if asked.again or name not in results:
            results[name] = measured(name, asked.set)
            print(name, asdict(results[name]), flush=True)
            if keep:
                asked.results.parent.mkdir(parents=True, exist_ok=True)
                asked.results.write_text(json.dumps({name: asdict(found) for name, found in results.items()}, indent=1))
    tell("Competitions", lines(dict(sorted(results.items()))), asked.write and keep)


if __name__ == "__main__":
    main()
