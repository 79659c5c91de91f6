"""The current data of a pipeline: ingest it and check it against the schema, or propose a schema from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.domains import domain_of
from gristmill.config.stages import stages_of
from gristmill.runs import plan
from gristmill.runs.identity import stage_files
from gristmill.settings.base import Settings
from gristmill.training.keras_backend import import_keras
from gristmill.util.toml import toml_key, toml_value

if TYPE_CHECKING:
    from gristmill.data_schema.proposal import SchemaProposal

_HEAD = """\
# Schema of the data of the pipeline {name}, proposed from {counts},
# with room for new data. Edit the rules, remove those that you do not need, and commit the file:
# ingest rejects data that breaks a rule.
"""


@contextmanager
def ingested_today(catalogue: Catalogue, pipeline: Pipeline) -> Iterator[tuple[Path, dict[str, int]]]:
    """Yield the folder and counts of the current ingested data, from the store or ingested for this block.

    Raises:
        DataError: the data is missing, unusable, or breaks the schema.
    """
    plan.refresh_urls(pipeline.tables.values(), catalogue.store)
    step, *_ = plan.plan(catalogue, pipeline)
    if step.artifact:
        ingested = catalogue.store.open_verified(step.artifact.reference, by_stat=True)
        yield ingested.path, ingested.counts
        return
    stage, *_ = stages_of(pipeline.domain, pipeline.tables)
    paths = stage_files(catalogue, pipeline, stage)
    if "tensorflow" in stage.libraries:
        import_keras()
    ingest = stage.load()
    with TemporaryDirectory() as folder:
        yield Path(folder), ingest(**stage.settings, paths=paths, out=Path(folder))


def propose(domain: str, folder: Path, ingest: Settings) -> "SchemaProposal":
    """Return a schema for the ingested data in a folder; `ingest` are the settings that made it."""
    return domain_of(domain).propose_schema.load()(folder, ingest)


def as_toml(name: str, counts: str, proposal: "SchemaProposal") -> str:
    """Return the text of a pipeline's schema; `counts` describes the data that it was proposed from."""
    lines = [_HEAD.format(name=name, counts=counts)]
    for table, rules in proposal.items():
        if table:
            note = "  # minimum number of examples; classes that are not listed are rejected"
            lines.append(f"[{table}]{note if table == 'classes' else ''}")
        texts = []
        for rule in rules:
            value = toml_value(rule.value)
            if isinstance(rule.value, list) and len(value) > 100:  # a line for each item
                value = "\n".join(["[", *(f"    {toml_value(item)}," for item in rule.value), "]"])
            texts.append(f"{toml_key(rule.key)} = {value}")
        width = max((len(text) for text in texts if "\n" not in text), default=0)
        lines += [*(f"{text:{width}}  # {rule.why}" for text, rule in zip(texts, rules, strict=True)), ""]
    return "\n".join(lines)
