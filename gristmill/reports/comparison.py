"""Two runs of a pipeline side by side: settings, data, scores and training, for a terminal, a page or a notebook.

Is the difference between the errors of two models more than chance? They are compared on the same test set, item by
item (time, row, text or image), as a retraining compares them, and their mean difference gets an interval. It is that
of the bootstrap; values in the order of time are drawn in blocks (`util/block_bootstrap.py`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.config.catalogue import restore_settings
from gristmill.config.domains import domain_of
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.reports.page import as_html, as_text, page_name, render_page
from gristmill.reports.scores import PART_NAMES, PARTS, metric_name
from gristmill.reports.sections import Section, Table
from gristmill.runs.records import Record, Runs, headline
from gristmill.runs.retraining_record import CHALLENGER, CHANGES, CONFIDENCE_LEVEL, Folders
from gristmill.scores import Headline, Scores
from gristmill.settings.number_text import format_numbers, setting_text
from gristmill.store.store import Store
from gristmill.util.block_bootstrap import confidence_interval
from gristmill.util.table_io import read_document, read_table

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.retraining.gate import Contest

SIDES = ("first", "second")  # names of the runs in all tables

Pairs = dict[str, list[Any]]  # values of the first and of the second run, None for a missing one

_MAX_PREDICTIONS = 5_000_000  # about 1 GB with ten baselines


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs of a pipeline; as the last value of a notebook cell, it is shown as tables."""

    description: str  # of the pipeline
    records: tuple[Record, Record]
    store: Store

    @cached_property
    def document(self) -> dict[str, Any]:
        """The runs as JSON values; lists hold the value of the first run and that of the second."""
        first, second = self.records
        scored = [Scores.read(self._folder(record, "evaluate")) for record in self.records]
        parts = [part for part in scored[1].model if part in scored[0].model]
        headlines = [{**scores.summary.as_json(), "best_baseline": scores.best_baseline} for scores in scored]
        data: list[dict[str, Any]] = []
        for reference in (record.references["ingest"] for record in self.records):
            data.append(self.store.read_manifest(reference)["counts"] | {"digest": reference["digest"][:12]})
        return {
            "pipeline": first.pipeline,
            "runs": _paired(map(self._facts, self.records)),
            "settings": differing_settings(first.domain, first.settings, second.settings),
            "data": _paired(data),
            "changes": self._changes(),
            "headline": _paired(headlines),
            "scores": {part: _paired(scores.model[part] for scores in scored) for part in parts},
            "training": _paired(map(self._training, self.records)),
            "verdict": self._verdict(scored),
        }

    @property
    def sections(self) -> list[Section]:
        """The runs as tables, without the picture of the page."""
        document = self.document
        data = [[name, *_shown(pair), _change(pair)] for name, pair in document["data"].items()]
        changes = ", ".join(f"{document['changes'][name]:,} {name}" for name in CHANGES if name in document["changes"])
        note = f"Rows: {changes}." if changes else document["changes"].get("why", "The data is the same.")
        headings = ["", *SIDES, "change"]
        return [
            _section("Runs", document["runs"]),
            _section("Settings that differ", document["settings"], "None."),
            Section("Data", note, tables=[Table("", headings, data)]),
            Section("Scores", document["verdict"], tables=[Table("", headings, _score_rows(document))]),
            _section("Training", document["training"], "No network was trained."),
        ]

    @property
    def page(self) -> Path:
        """The HTML page, `reports/<pipeline>.compare.html` in the store, rendered now."""
        from gristmill.reports.learning import overlaid_figure
        from gristmill.reports.pictures import as_svg

        *content, training = self.sections
        curves = {side: self._epochs(record) for side, record in zip(SIDES, self.records, strict=True)}
        if any(len(epochs) for epochs in curves.values()):
            picture = as_svg(overlaid_figure(curves), "Learning curves of both runs by epoch")
            training = replace(training, pictures=[picture])
        pipeline = self.records[0].pipeline
        facts = {side: record.id for side, record in zip(SIDES, self.records, strict=True)}
        name = page_name(pipeline, "compare")
        return render_page(self.store, name, pipeline, self.description, facts, [*content, training])

    def __repr__(self) -> str:
        return "\n\n".join(map(as_text, self.sections))

    def _repr_html_(self) -> str:
        return "".join(map(as_html, self.sections))

    def _facts(self, record: Record) -> dict[str, Any]:
        versions = [known.number for known in Registry(self.store).versions(record.pipeline) if known.run == record.id]
        facts = {
            "run": record.id,
            "version": ", ".join(f"v{number}" for number in versions) or None,
            "started": f"{record.started:%Y-%m-%d %H:%M} UTC",
            "seconds": round(record.seconds, 1),
        }
        before, after = (other.versions for other in self.records)
        return facts | {
            name: version for name, version in record.versions.items() if before.get(name) != after.get(name)
        }

    def _changes(self) -> dict[str, Any]:
        """Return the number of rows that differ, or why they cannot be compared; empty for the same data."""
        digests = [record.references["ingest"]["digest"] for record in self.records]
        if digests[0] == digests[1]:
            return {}
        before, now = (self._folder(record, "ingest") for record in self.records)
        try:
            rows = domain_of(self.records[1].domain).retraining.load().diff(now, before)
        except RequestError as error:
            return {"why": str(error)}
        return {change: int((rows.index == change).sum()) for change in CHANGES}

    def _verdict(self, scored: Sequence[Scores]) -> str:
        """Return which run is better on the test set, and whether the difference could be chance."""
        first, second = self.records
        before, after = (scores.headline for scores in scored)
        if before.metric != after.metric:
            return f"The runs have different headline metrics, {before.metric} and {after.metric}."
        ranks, shown = [headline.ranks[0] for headline in (before, after)], format_numbers([before.model, after.model])
        figures = f"test set: {metric_name(before.metric)} {shown[0]} and {shown[1]}."
        if first.references["preprocess"]["digest"] != second.references["preprocess"]["digest"]:
            return (
                "The prepared data of the runs differs, so their test sets may differ, too, and the scores do not tell "
                f"which run is better. Each on its own {figures}"
            )
        better = f"The {SIDES[ranks[1] < ranks[0]]} run is better"
        verdict = f"{'Both runs are equally good' if ranks[0] == ranks[1] else better} on the {figures}"
        known = []
        for record in self.records:
            folders = {stage: self._folder(record, stage) for stage in ("ingest", "preprocess", "evaluate")}
            if contest := read_errors(record.domain, folders):
                known.append(contest)
        errors = {side: contest.errors[CHALLENGER] for side, contest in zip(SIDES, known, strict=False)}
        both = replace(known[0], errors=errors) if len(known) == len(SIDES) else None
        return f"{verdict}\n{difference_in_words(both, 'second', 'first', ('the second run', 'the first'))}"

    def _training(self, record: Record) -> dict[str, Any]:
        """Return the ends of the learning curves; empty without a network."""
        epochs = self._epochs(record)
        if not len(epochs):
            return {}
        training = read_document(self._folder(record, record.model_stage) / "training.json")
        kept = epochs[epochs["epoch"] == training["best_epoch"]].iloc[0]
        names = [str(name) for name in epochs if name not in ("epoch", "rate")]
        manifest = self.store.read_manifest(record.references[record.model_stage])
        return {
            "epochs": training["epochs"],
            "kept epoch": training["best_epoch"],
            "learning rate": training["learning_rate"],
            **{name.replace("val_", "validation "): float(kept[name]) for name in names},
            "parameters": manifest["counts"].get("parameters"),
            "seconds": round(manifest["measures"]["seconds"], 1),
        }

    def _epochs(self, record: Record) -> "pd.DataFrame":
        return read_table(self._folder(record, record.model_stage) / "epochs.parquet")

    def _folder(self, record: Record, stage: str) -> Path:
        reference = record.references[stage]
        try:
            return self.store.open_verified(reference, by_stat=True).path
        except CorruptArtifact:
            if self.store.path(reference["stage"], reference["key"]).exists():
                raise
        removed = "scores were" if stage == "evaluate" else f"artifact of {stage} was"
        raise RequestError(
            f"run {record.id}: its {removed} removed by gristmill gc. Run it again, or choose another run."
        )


def earlier_runs_section(record: Record, store: Store) -> Section | None:
    """Return the scores of a run, of the run before it and of the champion; None if there is no other run."""
    own, before = headline(record, store), Runs(store).previous(record)
    champion = None
    with suppress(CorruptArtifact):  # `gristmill models` tells of the damage
        champion = Registry(store).champion(record.pipeline)
    runs: list[tuple[str, str, Headline | None, Record | Version]] = [("this run", record.id, own, record)]
    if champion:
        name = f"champion, v{champion.number}"
        if champion.run == record.id:
            runs = [(f"this run, {name}", record.id, own, record)]
        else:
            runs.append((name, champion.run, champion.evaluated.summary, champion))
    if before and not (champion and champion.run == before.id):
        runs.append(("previous run", before.id, headline(before, store), before))
    if len(runs) < 2 or own is None:
        return None
    known = [scores if scores and scores.metric == own.metric else None for _, _, scores, _ in runs]
    shown = format_numbers(
        [getattr(scores, part, None) for scores in known for part in ("validation", "model", "baseline")]
    )
    rows = []
    for at, (name, run, _, kept) in enumerate(runs):
        data = kept.references["ingest"]["digest"] == record.references["ingest"]["digest"]
        changed = differing_settings(record.domain, kept.settings, record.settings).items()
        settings = "; ".join(f"{key} = {setting_text(pair[0])}" for key, pair in changed)
        rows.append([name, run, *shown[3 * at : 3 * at + 3], "same" if data else "other", settings])
    headings = ["", "run", "validation", "test", "best baseline", "data", "other settings"]
    note = (
        f"Scores: {metric_name(own.metric)}. A run on other data may have another test set. All "
        f"differences of the last two runs: gristmill compare {record.pipeline}."
    )
    return Section("Earlier runs", note, tables=[Table("", headings, rows, words=True)])


def differing_settings(domain: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Pairs:
    """Return the settings of two runs that differ, by `table.key`.

    Both are read by this version of gristmill, so that values which another version wrote in another way, or not at
    all, are no difference. If that fails, a key that only one of the runs has in a table of the same kind is left out.
    """
    differing: Pairs = {}
    with suppress(RequestError):
        first, second = (
            {name: table.model_dump(mode="json") for name, table in restore_settings(domain, settings).items()}
            for settings in (first, second)
        )
    for table in {**first, **second}:
        before, after = first.get(table, {}), second.get(table, {})
        same_kind = before and after and before.get("kind") == after.get("kind")
        for key in [key for key in {**before, **after} if not same_kind or (key in before and key in after)]:
            if before.get(key) != after.get(key):
                differing[f"{table}.{key}"] = [before.get(key), after.get(key)]
    return differing


def read_errors(domain: str, folders: Folders) -> "Contest | None":
    """Return the errors of a run's model, as `CHALLENGER`, and of its baselines on each item of the test set.

    Return None for millions of predictions, which would take much memory, and for errors that cannot be compared.
    """
    import pyarrow.parquet as pq

    predictions = folders["evaluate"] / "predictions.parquet"
    if predictions.exists() and pq.read_metadata(predictions).num_rows > _MAX_PREDICTIONS:
        return None
    with suppress(RequestError):
        return domain_of(domain).retraining.load().contest(folders, None)
    return None


def difference_in_words(contest: "Contest | None", name: str, other: str, names: tuple[str, str]) -> str:
    """Return the error of a model minus that of another one with its interval, and whether it could be chance.

    `names` are those of the two models for the reader.
    """
    if contest is None:
        return f"No interval: the errors cannot be paired, or there are more than {_MAX_PREDICTIONS:,} predictions."
    import numpy as np

    differences = contest.differences(name, other)
    if not differences.any():
        return f"On each item of the test set, the errors of {names[0]} and {names[1]} are equal."
    if not np.isfinite(differences).all():
        return "No interval: not all predictions are finite numbers."
    metric, better = metric_name(contest.metric), "negative"
    if contest.metric == "error rate":  # scores of classifiers show the accuracy
        metric, better, differences = "accuracy", "positive", -differences
    interval = confidence_interval(differences, CONFIDENCE_LEVEL, contest.block)
    if interval is None:
        return "The test set is too small to tell whether the difference could be chance."
    mean, low, high = format_numbers([float(differences.mean()), *interval], digits=3)
    method, count = "moving-block bootstrap" if contest.block else "bootstrap", len(differences)
    has_zero = interval[0] <= 0 <= interval[1]
    chance = (
        "contains 0, so the difference could be chance"
        if has_zero
        else "does not contain 0, so the difference is unlikely to be chance"
    )
    return (
        f"The {metric} of {names[0]} minus that of {names[1]} is {mean} ({better} is better), with a "
        f"{CONFIDENCE_LEVEL:.0%} interval from {low} to {high} ({method}, {count:,} paired errors). "
        f"The interval {chance}."
    )


def _paired(values: Iterable[Mapping[str, Any]]) -> Pairs:
    """Return the values of two runs by name, None for a missing one; without names that neither has."""
    first, second = values
    pairs = {name: [first.get(name), second.get(name)] for name in {**first, **second}}
    return {name: pair for name, pair in pairs.items() if pair != [None, None]}


def _section(title: str, pairs: Pairs, empty: str = "") -> Section:
    """Return a section with both values of each pair, or a note if there is none."""
    rows = [[name, *_shown(pair)] for name, pair in pairs.items()]
    tables = [Table("", ["", *SIDES], rows, words=True)] if rows else []
    return Section(title, "" if rows else empty, tables=tables)


def _shown(pair: Sequence[Any]) -> list[str]:
    """Return two values as text, numbers with the same decimals."""
    if all(isinstance(value, float) for value in pair):
        return format_numbers(pair)
    return [f"{value:,}" if type(value) is int else setting_text(value) for value in pair]


def _change(pair: Sequence[Any]) -> str:
    """Return the second number minus the first; empty for other values."""
    if not all(type(value) in (int, float) and math.isfinite(value) for value in pair) or pair[0] == pair[1]:
        return ""
    return format_numbers([*pair, pair[1] - pair[0]], sign=True)[2]


def _score_rows(document: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each metric of each part, the headline's first, and the best baseline's."""
    metric, rows = document["headline"]["metric"][1], []
    for part, pairs in sorted(document["scores"].items(), key=lambda item: PARTS.index(item[0])):
        ordered = sorted(pairs.items(), key=lambda item: item[0] != metric)
        rows += [[f"{PART_NAMES[part]} {metric_name(name)}", *_shown(pair), _change(pair)] for name, pair in ordered]
    headline = document["headline"]
    return [
        *rows,
        [f"best baseline's {metric_name(metric)}", *_shown(headline["baseline"]), _change(headline["baseline"])],
        ["best baseline", *headline["best_baseline"], ""],
        *([["selected", *_shown(headline["selected"]), ""]] if "selected" in headline else []),
    ]
