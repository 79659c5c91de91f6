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
    stages: list[Stage] = []
    for fits, templates in itertools.groupby(domain_of(domain).stages, key=lambda stage: stage.fits):
        variants = candidates if fits and candidates else [Candidate("", tables)]
        for variant, template in itertools.product(variants, templates):
            if template.when and not template.when(variant.tables):
                continue
            settings = {name: variant.tables[name] for name in template.tables if name in variant.tables}
            stage = replace(template, candidate=variant.name, settings=settings, tables=tuple(settings))
            # A stage that fans out has a point for each combination of numbers, others a single one.
            arguments = [argument for _, argument in stage.axes]
            counts = (range(getattr(variant.tables[stage.name], key)) for key, _ in stage.axes)
            points = itertools.product(*counts)
            stages += [replace(stage, point=dict(zip(arguments, point, strict=True))) for point in points]
    models = {f"{candidate.name}.model": candidate.tables["model"] for candidate in candidates}
    for number, stage in enumerate(stages):
        if stage.name == "refit":  # it fits the selected candidates again
            stages[number] = replace(stage, settings={**stage.settings, **models})
    return [replace(stage, inputs=tuple(_inputs(stage, stages, bool(candidates)))) for stage in stages]


def _inputs(reader: Stage, stages: list[Stage], auto: bool) -> Iterator[str]:
    """Yield the labels of the stages that a stage reads, from the names in its template.

    With `kind = "auto"` a stage that fits reads those of its own candidate. Other stages read the selected model, and
    stages that compare the artifacts of all candidates.
    """
    for name in reader.inputs:
        sources = [stage for stage in stages if stage.name == name]
        if auto and not reader.candidate and any(stage.fits for stage in sources):
            if name == "train" and reader.name != SELECT:
                yield SELECT
            if not reader.compares or name not in _COMPARED:
                continue
        for source in sources:
            if not reader.candidate or source.candidate in ("", reader.candidate):
                yield source.label


def settings_of_stages(stages: Iterable[Stage]) -> list[Settings]:
    """Return the different settings that stages use, those of candidates included."""
    return list({id(table): table for stage in stages for table in stage.settings.values()}.values())


def libraries_of(domain: str) -> tuple[str, ...]:
    """Return the distributions whose version can change a result of a domain's stages, sorted."""
    return tuple(sorted({library for stage in domain_of(domain).stages for library in stage.libraries}))
