"""Candidates of a pipeline with `kind = "auto"`: a preset's and the user's own.

A candidate is like a point of a sweep: a partial set of the tables `model`, `train` and `augment`, which replaces those
of the pipeline. The split and the representation of the data are common to all candidates, so that every one is scored
on the same examples.

A domain lists the candidates of each preset in `gristmill/domains/<domain>/presets.py`, the cheapest first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gristmill.config.domains import domain_of
from gristmill.config.tables import AUTO, read_table
from gristmill.settings.base import Settings
from gristmill.settings.kinds import names_of
from gristmill.settings.messages import Problem, unknown_name
from gristmill.settings.selection import Auto, CandidateText

CANDIDATE_TABLES = ("model", "train", "augment")  # tables that a candidate may set
_DATA_TABLES = ("source", "ingest", "preprocess", "schema")  # the data, which is common to all candidates
_FOR_NETWORKS = {"loss": "quantile", "targets": "sequence"}  # values of `train` that kinds in closed form reject

Point = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Candidate:
    """One model to try."""

    name: str  # its kind; a number is added if several have the same
    tables: Mapping[str, Settings]  # tables of the pipeline, with those of the candidate


def candidates_of(domain: str, tables: Mapping[str, Settings]) -> list[Candidate]:
    """Return the candidates of a pipeline in their order, cheap ones first; none unless its model is "auto"."""
    model = tables.get("model")
    if not isinstance(model, Auto):
        return []
    # Those of the preset, without the values that the pipeline sets itself, which apply to all; then the user's own.
    points: list[Point] = []
    for point in preset(domain, model.preset, tables):
        kept: dict[str, Mapping[str, Any]] = {}
        for table, values in point.items():
            own = set() if table == "model" else tables[table].model_fields_set
            kept[table] = {key: value for key, value in values.items() if key not in own}
        points.append(kept)
    points += map(point_of, model.candidates)
    # All candidates must predict the same examples, and a small validation set is too little to compare them on. So if
    # there are few, each network is averaged over folds, unless `few_examples` is set.
    train = tables["train"]
    shared: dict[str, Any] = {}
    if "few_examples" in type(train).model_fields and "few_examples" not in train.model_fields_set:
        shared["few_examples"] = "average"
    # Read the tables of each, and leave out repeated ones.
    variants: list[Mapping[str, Settings]] = []
    for point in points:
        problems: list[Problem] = []
        averaged = {**point, "train": shared | dict(point.get("train", {}))} if shared else point
        changed = _apply(domain, averaged, tables, problems)
        if changed is None:
            # Only a preset can be invalid here: the user's own candidates were checked before.
            raise ValueError("; ".join(map(str, problems)))
        if changed not in variants:
            variants.append(changed)
    models: list[Any] = [changed["model"] for changed in variants]  # every model has a kind
    return [Candidate(name, changed) for name, changed in zip(names_of(models), variants, strict=True)]


def check_candidates(domain: str, tables: Mapping[str, Settings], where: str, problems: list[Problem]) -> None:
    """Add a problem for each of the user's candidates that is invalid; `where` names the table `model`.

    A pipeline without data to choose on is also a problem. It is found here, before the candidates are trained.
    """
    model, before = tables.get("model"), len(problems)
    if not isinstance(model, Auto):
        return
    if not has_validation(tables):
        instead = " or backtest.windows" if "backtest" in tables else ""
        text = f'"{AUTO}" chooses on a validation set. Set preprocess.validation above 0{instead}.'
        problems.append(Problem(where, text, "kind", "kind"))
    for number, candidate in enumerate(model.candidates):
        own: list[Problem] = []
        _apply(domain, point_of(candidate), tables, own)
        for problem in own:
            label = f"candidates[{number}]{problem.where}"
            problems.append(Problem(where, problem.text, "candidates", label))
    if not model.candidates and model.preset == "none":
        text = 'expected at least one candidate, because preset = "none" adds none.'
        problems.append(Problem(where, text, "candidates", "candidates"))
    if len(problems) == before:
        problems.extend(_problems_of_all(domain, tables, where.removesuffix("model]")))


def _problems_of_all(domain: str, tables: Mapping[str, Settings], pipeline: str) -> Iterator[Problem]:
    """Yield a problem for each setting that no candidate accepts; `pipeline` is the prefix of its tables."""
    weights: Mapping[str, float] = getattr(tables.get("select"), "weights", {})
    for_networks = {key: value for key, value in _FOR_NETWORKS.items() if getattr(tables["train"], key, None) == value}
    if not weights and not for_networks:
        return
    candidates = candidates_of(domain, tables)
    names = [candidate.name for candidate in candidates]
    for name in weights:
        if name not in names:
            yield Problem(f"{pipeline}select]", unknown_name("candidate", name, names), "weights", "weights")
    in_closed_form = [
        candidate.tables["train"] for candidate in candidates if hasattr(candidate.tables["model"], "fit")
    ]
    for key, value in for_networks.items():
        if len(in_closed_form) == len(candidates) and all(getattr(train, key) == value for train in in_closed_form):
            text = f'only networks learn with {value!r}, and no candidate is one. Add one to model.candidates: "dense".'
            yield Problem(f"{pipeline}train]", text, key, key)


def has_validation(tables: Mapping[str, Any]) -> bool:
    """Return whether there is something to choose on apart from the test set: a validation set, or a backtest."""
    return bool(tables["preprocess"].validation or getattr(tables.get("backtest"), "windows", 0))


def preset(domain: str, name: str, tables: Mapping[str, Settings] = MappingProxyType({})) -> list[Point]:
    """Return the candidates of a domain's preset, which may depend on the tables of the pipeline."""
    if name == "none":
        return []
    points = domain_of(domain).presets.load()[name]
    return list(points(tables) if callable(points) else points)


def point_of(candidate: CandidateText) -> Point:
    """Return the tables of a candidate that the user named by its kind or its tables."""
    return {"model": {"kind": candidate}} if isinstance(candidate, str) else candidate


def _apply(
    domain: str, point: Point, tables: Mapping[str, Settings], problems: list[Problem]
) -> Mapping[str, Settings] | None:
    """Return the tables of a pipeline with a candidate's own, or None after adding to `problems`."""
    before, changed, choices = len(problems), dict(tables), domain_of(domain).tables
    allowed = [name for name in CANDIDATE_TABLES if name in choices]
    for name, values in point.items():
        if name in _DATA_TABLES:
            text = f"a candidate may not set {name}: all candidates learn from the same data. Set it for the pipeline."
            problems.append(Problem("", text))
        elif name not in allowed:
            problems.append(Problem("", unknown_name("table", name, allowed)))
        elif name == "model" and values.get("kind") == AUTO:
            problems.append(Problem(".model.kind", 'expected a kind other than "auto".'))
        else:
            merged = values if name == "model" else tables[name].model_dump(exclude_unset=True) | dict(values)
            if read := read_table(choices[name], merged, f".{name}", name, problems, single=True):
                changed[name] = read
    if "model" not in point and len(problems) == before:
        problems.append(Problem("", 'expected a table model, such as { model = { kind = "dense" } }.'))
    return changed if len(problems) == before else None
