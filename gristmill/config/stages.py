"""The stages of a pipeline, from those of its domain and its settings."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gristmill.config.candidates import Candidate, candidates_of
from gristmill.config.domains import domain_of
from gristmill.settings.base import Settings
from gristmill.settings.stage import SELECT, Stage

_COMPARED = ("train", "backtest")  # stages whose artifacts of all candidates are compared


def stages_of(domain: str, tables: Mapping[str, Settings]) -> list[Stage]:
    """Return the stages of a pipeline in their order, with each candidate and point of those that fan out.

    All stages that fit one candidate come before those of the next.
    """
    candidates = candidates_of(domain, tables)
    every: list[Stage] = []
    for fits, templates in itertools.groupby(domain_of(domain).stages, key=lambda stage: stage.fits):
        variants = candidates if fits and candidates else [Candidate("", tables)]
        every += [point for one, template in itertools.product(variants, templates) for point in _points(template, one)]
    models = {f"{one.name}.model": one.tables["model"] for one in candidates}  # refit fits the selected ones again
    every = [replace(one, settings={**one.settings, **models}) if one.name == "refit" else one for one in every]
    return [replace(stage, inputs=tuple(_inputs(stage, every, bool(candidates)))) for stage in every]


def _inputs(stage: Stage, every: list[Stage], auto: bool) -> Iterator[str]:
    """Yield the labels of the stages that a stage reads, from the names in its template.

    With `kind = "auto"` a stage that fits reads those of its own candidate. Other stages read the selected model, and
    stages that compare the artifacts of all candidates.
    """
    for name in stage.inputs:
        found = [one for one in every if one.name == name]
        if auto and not stage.candidate and any(one.fits for one in found):
            if name == "train" and stage.name != SELECT:
                yield SELECT
            if not stage.compares or name not in _COMPARED:
                continue
        yield from (one.label for one in found if one.candidate in ("", stage.candidate) or not stage.candidate)


def settings_of_stages(stages: Iterable[Stage]) -> list[Settings]:
    """Return the different settings that stages use, those of candidates included."""
    return list({id(table): table for stage in stages for table in stage.settings.values()}.values())


def libraries_of(domain: str) -> tuple[str, ...]:
    """Return the distributions whose version can change a result of a domain's stages, sorted."""
    return tuple(sorted({library for stage in domain_of(domain).stages for library in stage.libraries}))


def _points(template: Stage, candidate: Candidate) -> list[Stage]:
    """Return a stage for each point, with the settings of the pipeline or of the candidate that it fits."""
    tables = candidate.tables
    if template.when and not template.when(tables):
        return []
    settings = {name: tables[name] for name in template.tables if name in tables}  # the schema is optional
    stage = replace(template, candidate=candidate.name, settings=settings, tables=tuple(settings))
    if not stage.axes:
        return [stage]
    counts = [range(getattr(tables[stage.name], key)) for key, _ in stage.axes]
    names = [argument for _, argument in stage.axes]
    return [replace(stage, point=dict(zip(names, point, strict=True))) for point in itertools.product(*counts)]
