"""Compare the models that `kind = "auto"` selects with baselines, LightGBM and single networks.

    benchmarks/selection.py [--only NAME...] [--seeds 3] [--again] [--write]

Each row writes a project into a temporary folder and runs it with `gristmill run`. Only this benchmark opens the test
sets, and nothing is chosen by them. Finished rows are kept in a file (`--results`), so you can stop the benchmark and
resume it; the table has all rows of that file. `--only` takes names of rows, or prefixes of them. GRISTMILL_DATA and
TFDS_DATA_DIR name the folders of the data.
"""

import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import selection_projects as projects
from measuring import ROOT, Ran, arguments, process, run, table, tell

from gristmill.scores import MODEL, Scores
from gristmill.util.block_bootstrap import standard_error

Values = npt.NDArray[np.float64]
Figures = dict[str, Any]  # for one row and seed: metric, value, seconds, selected, and values for the summaries
Results = dict[str, dict[str, Figures]]  # by row and seed

SEARCH_PATH = os.pathsep.join([os.environ.get("GRISTMILL_DATA", ""), str(ROOT)])
NAIVE = ("naive", "seasonal_naive", "drift", "moving_average", "mean")
PHOTOS = {"fashion_mnist": 28, "cats_vs_dogs": 288, "ants_bees": 288}  # pixels a side, as `init` proposes
TEXTS = ("imdb", "sarcasm", "reviews")
TABLES = {
    "apartments": "m2_price",
    "fifa": "value_eur",
    "Boston": "medv",
    "Auto": "mpg",
    "hr": "salary",
    "penguins": "body_mass_g",
}  # target of each table
CATALOGUE = {
    "imdb": ("imdb_average", "good"),
    "sarcasm": ("sarcasm", "good"),
    "reviews": ("reviews", "good"),
    "sunspots": ("sunspots_course", "good"),
    "temperatures": ("min_temperatures", "good"),
    "seattle_weather": ("seattle_weather", "good"),
    "co2": ("co2", "good"),
    "fashion": ("fashion_cnn", "quick"),
    "fashion good": ("fashion_cnn", "good"),
    "mnist": ("mnist", "good"),
    "digits": ("digits", "good"),
    "horses_or_humans": ("horses_or_humans", "good"),
    "rock_paper_scissors": ("rock_paper_scissors", "good"),
    "cats_dogs": ("cats_dogs", "good"),
    "shakespeare": ("shakespeare_chars", "good"),
}  # pipeline with data and split, and preset
SIDES = {"rock_paper_scissors": 28, "horses_or_humans": 288, "cats_dogs": 288}  # pixels, as `init` proposes
GOALS = {
    "imdb": ("0.888", "0.911", "0.915"),
    "sarcasm": ("0.860", "0.866", "0.872"),
    "reviews": ("0.859", "0.882", "0.89"),
    "sunspots": ("14.29", "14.4", "14.0"),
    "temperatures": ("1.768", "1.78", "1.74"),
    "seattle_weather": ("2.329", "2.35", "2.25"),
    "co2": ("0.330", "0.335", "0.32"),
    "fashion": ("0.9215", "0.915", "0.92"),
    "fashion good": ("0.9345", "0.934", ""),
    "mnist": ("0.9953", "0.9953", ""),
    "digits": ("0.986", "0.986", ""),
    "horses_or_humans": ("0.711", "0.97", "0.99"),
    "rock_paper_scissors": ("0.961", "0.961", ""),
    "cats_dogs": ("0.843", "0.975", "0.985"),
    "shakespeare": ("2.176", "2.14", "2.12"),
    "photos ants_bees": ("0.940", "0.965", "0.98"),
    "photos cats_vs_dogs": ("", "0.97", "0.98"),
    "five classes": ("", "0.95", "0.97"),
    "init star98": ("95.9", "14.6", ""),
    "make run": ("20.9", "15", "11"),
}  # before, must and goal


def of_catalogue(name: str) -> Callable[[Path, int], Figures]:
    """Return a function that measures a pipeline of this project with candidates."""
    pipeline, preset = CATALOGUE[name]

    def measure(folder: Path, seed: int) -> Figures:
        more: dict[str, Mapping[str, Any]] = {}
        if name == "seattle_weather":  # as `init` proposes for such a small validation set
            more["backtest"] = {"windows": 3, "size": 219}
        projects.from_catalogue(folder, pipeline, preset, seed, SIDES.get(name), **more)
        ran = run_project(folder)
        figures = of_run(ran)
        if name == "seattle_weather":  # the headline is MASE, since there are several targets
            figures |= {"metric": "mae", "value": ran.score("mae")}
        if name in TEXTS:
            model, baseline, _ = losses(folder, ran, "nb_linear")
            figures["against"] = f"nb_linear {1 - baseline.mean():.4f}"
            figures |= {"worse": float((model - baseline).mean()), "error": _plain_error(model - baseline)}
        if name.startswith("fashion"):
            single = run(pipeline, folder / "single", f"train.seed={seed}", GRISTMILL_DATA=SEARCH_PATH)
            figures["against"] = f"one network {single.score('accuracy'):.4f} in {single.process.seconds:.0f} s"
        return figures

    return measure


def of_init(name: str) -> Callable[[Path, int], Figures]:
    """Return a function that measures a pipeline of `init`, its best baseline and the seconds of one network."""

    def measure(folder: Path, seed: int) -> Figures:
        domain = projects.init_named(folder, name)
        ran = run_project(folder)
        scores = Scores.model_validate(ran.record["scores"])
        model, baseline, block = losses(folder, ran, scores.best_baseline)
        pipeline = projects.read(folder)
        single = folder / "single"
        single.mkdir()
        if (folder / "digits").exists():
            (single / "digits").symlink_to(folder / "digits")
        if (folder / "reviews.csv").exists():
            (single / "reviews.csv").symlink_to(folder / "reviews.csv")
        kept = {key: value for key, value in pipeline.items() if isinstance(value, dict) and key != "backtest"}
        projects.write(single, domain, kept | projects.SINGLE[domain])
        return of_run(ran) | {
            "against": f"{scores.best_baseline} {scores.best['test'][metric_of_goals(scores)]:.4g}",
            "ratio": scores.headline.model / scores.headline.baseline,
            "naive_ratio": scores.headline.model / min(_naive_errors(scores)),
            "numeric": metric_of_goals(scores) == scores.metric,
            "worse": float((model - baseline).mean()),
            "error": standard_error(model - baseline, block) or _plain_error(model - baseline),  # with few values
            "single_seconds": run_project(single).process.seconds,
        }

    return measure


def _naive_errors(scores: Scores) -> list[float]:
    """Return the test errors of the mean and of forecasts that fit no parameters."""
    return [
        float(by_part["test"][scores.metric] or math.inf) for name, by_part in scores.baselines.items() if name in NAIVE
    ] or [math.nan]


def of_table(name: str) -> Callable[[Path, int], Figures]:
    """Return a function that compares a table with LightGBM with its defaults, and with least squares."""

    def measure(folder: Path, seed: int) -> Figures:
        projects.init(folder, "tabular", f"{name}.csv", "--target", TABLES[name])
        ran = run_project(folder)
        predictions = pd.read_parquet(artifact(folder, ran, "evaluate") / "predictions.parquet")
        test = predictions[predictions["part"] == "test"]
        model = np.abs(test[MODEL] - test["y"]).to_numpy()
        others = opponents(artifact(folder, ran, "preprocess"))
        better = min(others, key=lambda other: others[other].mean())
        return of_run(ran) | {
            "against": ", ".join(f"{other} {errors.mean():.4g}" for other, errors in others.items()),
            "worse": float((model - others[better]).mean()),
            "error": _plain_error(model - others[better]),
            "lightgbm": float((model - others["LightGBM"]).mean()),
        }

    return measure


def opponents(preprocess: Path) -> dict[str, Values]:
    """Return the absolute test errors of models fitted on all other rows."""
    import lightgbm

    from gristmill.domains.tabular import dataset

    data = dataset.read(preprocess)
    fitted, layout = data.parts != "test", data.layout
    numbers = data.table[layout.numbers].astype("float64")
    names = data.table[list(layout.categories)].astype("category")
    inputs = pd.concat([numbers, names], axis=1)
    inputs.columns = [f"column {at}" for at in range(inputs.shape[1])]
    booster = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(inputs[fitted], data.truth[fitted]), 100)
    one_hot = pd.get_dummies(names, dtype="float64").to_numpy() if len(names.columns) else np.empty((len(names), 0))
    scaled = (numbers - numbers[fitted].mean()) / numbers[fitted].std().replace(0, 1)
    design = np.column_stack([scaled, one_hot, np.ones(len(scaled))])
    weights = np.linalg.lstsq(design[fitted], data.truth[fitted])[0]
    made = {"LightGBM": np.asarray(booster.predict(inputs)), "least squares": design @ weights}
    return {name: np.abs(values - data.truth)[~fitted] for name, values in made.items()}


def of_photos(name: str) -> Callable[[Path, int], Figures]:
    """Return a function that measures photos by cross-validation."""

    def measure(folder: Path, seed: int) -> Figures:
        settings = projects.write_folds(folder, name, PHOTOS[name], seed)
        folds = [run_project(folder, setting) for setting in settings]
        scores = [Scores.model_validate(ran.record["scores"]) for ran in folds]
        tried = [one.baselines | one.candidates for one in scores]
        accuracy = {
            kind: statistics.mean(float(of_fold[kind]["test"]["accuracy"] or 0) for of_fold in tried)
            for kind in tried[0]
            if kind.startswith(("linear", "histograms")) and all(kind in of_fold for of_fold in tried)
        }
        return of_run(folds[0]) | {
            "value": statistics.mean(ran.score("accuracy") for ran in folds),
            "seconds": sum(ran.process.seconds for ran in folds),
            "linear": accuracy,
            "against": ", ".join(f"{kind} {value:.3f}" for kind, value in accuracy.items()),
        }

    return measure


def of_five_classes(folder: Path, seed: int) -> Figures:
    """Measure a pipeline of `init` on 60 photos of each of five classes, with 40 more each as the test set."""
    projects.write_five_classes(folder / "photos", seed)
    begin = time.monotonic()
    projects.init(folder, "vision", "photos")
    seconds = time.monotonic() - begin
    ran = run_project(folder, f"train.seed={seed}")
    model = artifact(folder, ran, "export") / "saved_model"
    photos = [str(path) for path in sorted((folder / "photos/test").rglob("*.jpg"))]
    answered = process([sys.executable, str(ROOT / "benchmarks/photo_latency.py"), str(model), *photos], folder)
    return of_run(ran) | {
        "seconds": seconds + ran.process.seconds,
        "against": f"exported graph {answered.printed.strip()} ms a photo, one core",
    }


def of_make_run(folder: Path, seed: int) -> Figures:
    """Measure `make run` from an empty store, after the installation."""
    done = process(["make", "run"], ROOT, GRISTMILL_STORE=str(folder / "store"))
    return {"metric": "seconds", "value": done.seconds, "seconds": done.seconds, "selected": ""}


ROWS: dict[str, Callable[[Path, int], Figures]] = {
    **{name: of_catalogue(name) for name in CATALOGUE},
    **{f"photos {name}": of_photos(name) for name in PHOTOS},
    "five classes": of_five_classes,
    **{f"init {name}": of_init(name) for name in projects.INIT},
    **{f"table {name}": of_table(name) for name in TABLES},
    "make run": of_make_run,
}


def run_project(folder: Path, *settings: str) -> Ran:
    """Run the pipeline of a project with a store in its folder, which an earlier fold may have filled."""
    return run(projects.NAME, folder / "store", *settings, folder=folder, GRISTMILL_DATA=SEARCH_PATH)


def of_run(ran: Ran) -> Figures:
    """Return the figures of any run."""
    scores = Scores.model_validate(ran.record["scores"])
    metric = metric_of_goals(scores)
    return {
        "metric": metric,
        "value": scores.model["test"][metric],
        "seconds": ran.process.seconds,
        "selected": scores.selected.name if scores.selected else "",
    }


def metric_of_goals(scores: Scores) -> str:
    """Return the metric of a pipeline's goal: of classes the accuracy, although the headline is log loss."""
    return scores.headline.secondary_metric or scores.metric


def artifact(folder: Path, ran: Ran, stage: str) -> Path:
    """Return the folder of a stage's artifact."""
    key = ran.record["stages"][stage]["reference"]["key"]
    return folder / "store" / stage / key[:2] / key


def losses(folder: Path, ran: Ran, baseline: str) -> tuple[Values, Values, int]:
    """Return the test losses of model and baseline, and how many consecutive losses depend on each other."""
    predictions = pd.read_parquet(artifact(folder, ran, "evaluate") / "predictions.parquet")
    test = predictions[predictions["part"] == "test"]
    if "label" in test:
        found = [(test[name] != test["label"]).to_numpy(float) for name in ("predicted", f"predicted by {baseline}")]
        return found[0], found[1], 1
    model, other = (np.abs(test[name] - test["y"]) for name in (MODEL, baseline))
    if "unique_id" not in test:
        return model.to_numpy(), other.to_numpy(), 1
    if test["unique_id"].nunique() > 1:  # series are correlated in time, so each counts as one value
        by_series = [one.groupby(test["unique_id"]).mean() for one in (model, other)]
        return (by_series[0] / by_series[1]).to_numpy(), np.ones(len(by_series[1])), 1
    return model.to_numpy(), other.to_numpy(), int(test["step"].max() * test["channel"].nunique())


def shown(name: str, by_seed: Mapping[str, Figures]) -> list[str]:
    """Return the cells of a row."""
    values = [one["value"] for one in by_seed.values()]
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    first = next(iter(by_seed.values()))
    seconds = statistics.mean(one["seconds"] for one in by_seed.values())
    goals = GOALS.get(name, ("", "", ""))
    return [
        name,
        first["metric"],
        *goals,
        f"{statistics.mean(values):.4g}{spread}",
        first.get("against", ""),
        _difference(first),
        f"{seconds:.0f}",
        first["selected"],
    ]


def _difference(figures: Figures) -> str:
    """Return by how many standard errors a model is worse than the best of the others."""
    if not figures.get("error"):
        return ""
    return f"{figures['worse'] / figures['error']:+.1f}"


def summaries(results: Results) -> Iterator[str]:
    """Yield one line for each goal on several rows, from the finished rows."""
    one = {name: next(iter(by_seed.values())) for name, by_seed in results.items()}
    made = {name: figures for name, figures in one.items() if name.startswith("init ")}
    if made:
        worse = [name[5:] for name, figures in made.items() if _is_worse(figures)]
        numeric = [f["ratio"] for name, f in made.items() if f["numeric"] and name != "init star98"]
        naive = [f["naive_ratio"] for name, f in made.items() if f["numeric"] and name != "init star98"]
        mean, of_naive = (f"{statistics.geometric_mean(each):.3f}" if each else "–" for each in (numeric, naive))
        seconds = [figures["seconds"] / figures["single_seconds"] for figures in made.values()]
        yield (
            f"- `init`, {len(made)} of {len(projects.INIT)} pipelines: worse than the best baseline by more than one "
            f"standard error: {', '.join(worse) or 'none'} (must: none). Error / best baseline, geometric mean over "
            f"{len(numeric)} pipelines with a numeric target: {mean} (must 0.85, goal 0.80; an earlier version, "
            f"compared with its own baselines: 0.888). Error / best of naive forecasts and mean: {of_naive}. A whole "
            f"run with the preset quick takes {statistics.geometric_mean(seconds):.2f} times as long as with one "
            "network (must 2, goal 1.5)."
        )
    if found := {name[6:]: figures for name, figures in one.items() if name.startswith("table ")}:
        worse = [name for name, figures in found.items() if _is_worse(figures)]
        better = sum(figures["worse"] < 0 for figures in found.values())
        yield (
            f"- Tables, {len(found)} of {len(TABLES)}: worse than the better of LightGBM and least squares by more "
            f"than one standard error: {', '.join(worse) or 'none'} (must: none). Better than both: {better} (goal: 4)."
        )
    if photos := {name[7:]: by_seed.values() for name, by_seed in results.items() if name.startswith("photos ")}:
        model = {name: statistics.mean(one["value"] for one in seeds) for name, seeds in photos.items()}
        linear = {name: _mean_accuracies(one["linear"] for one in seeds) for name, seeds in photos.items()}
        below = {name: max(linear[name].values()) - accuracy for name, accuracy in model.items()}
        lost = [f"{name} by {100 * points:.1f} points" for name, points in below.items() if points > 0]
        above = statistics.mean(accuracy - linear[name]["linear_pixels"] for name, accuracy in model.items())
        yield (
            f"- Photos out of fold, {len(photos)} of {len(PHOTOS)}: mean accuracy "
            f"{statistics.mean(model.values()):.3f}, {100 * above:.1f} points above `linear_pixels` (goal 10). Below "
            f"the best linear candidate: {', '.join(lost) or 'none'} (must: none)."
        )


def _mean_accuracies(by_seed: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean accuracy of each linear candidate over the seeds."""
    seeds = list(by_seed)
    return {kind: statistics.mean(one[kind] for one in seeds) for kind in seeds[0] if all(kind in one for one in seeds)}


def _plain_error(differences: Values) -> float:
    """Return the standard error of the mean of independent differences."""
    return float(differences.std(ddof=1) / math.sqrt(len(differences)))


def _is_worse(figures: Figures) -> bool:
    return figures["worse"] > (figures["error"] or 0)


def measured(name: str, seed: int) -> Figures:
    """Measure one row in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        return ROWS[name](Path(folder), seed)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help=f"rows: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, from 42 on")
    parser.add_argument("--again", action="store_true", help="also measure rows that are already in the file")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "data/store/selection.json", help="file of finished rows"
    )
    asked = parser.parse_args()
    names = [name for name in ROWS if name.startswith(tuple(asked.only))]
    if not names:
        parser.error(f"--only: no such row. Known: {', '.join(ROWS)}")
    results: Results = json.loads(asked.results.read_text()) if asked.results.exists() else {}
    for name in names:
        for seed in map(str, range(42, 42 + asked.seeds)):
            if asked.again or seed not in results.get(name, {}):
                figures = measured(name, int(seed))
                results.setdefault(name, {})[seed] = figures
                asked.results.parent.mkdir(parents=True, exist_ok=True)
                asked.results.write_text(json.dumps(results, indent=1))
                print(" | ".join(shown(name, {seed: figures})), flush=True)
    columns = ["row", "metric", "before", "must", "goal", "measured", "compared with", "worse by", "s", "selected"]
    rows = [shown(name, results[name]) for name in ROWS if name in results]
    tell("Selection", [*table(columns, rows), "", *summaries(results)], asked.write)


if __name__ == "__main__":
    main()
