"""`schemas/NAME.toml` written from a proposal, commented, to be edited and committed."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import toml_value
from gristmill.data_schema.checks import quoted
from gristmill.data_schema.proposal import Line, Proposal
from gristmill.settings.base import Settings

_WIDEST = 100  # characters of an array on one line

_HEAD = """\
# What the data of the pipeline {name} must hold, proposed from {counts},
# with room for what is new. Edit the rules, drop those that you do not care about, and commit the file:
# while it is there, ingest refuses data that breaks a rule.
"""
_NOTES = {"classes": "  # the least number of examples of each; one that is not listed is refused"}


def propose(domain: str, folder: Path, ingest: Settings) -> Proposal:
    """Return the schema that a pipeline's ingested data suggests.

    Args:
        domain: of the pipeline.
        folder: of the ingest artifact.
        ingest: the settings that it was made by.
    """
    proposal: Proposal = importlib.import_module(f"gristmill.domains.{domain}.schema_proposal").propose(folder, ingest)
    return proposal


def as_toml(name: str, counts: str, proposal: Proposal) -> str:
    """Return a proposed schema as the text of its file.

    Args:
        name: the pipeline.
        counts: what the proposal was made from, in words.
        proposal: the rules by table.
    """
    return "\n".join([_HEAD.format(name=name, counts=counts), *_tables(proposal)])


def _tables(proposal: Proposal) -> Iterator[str]:
    for table, lines in proposal.items():
        if table:
            yield f"[{table}]{_NOTES.get(table, '')}"
        yield from _aligned(lines)
        yield ""


def _aligned(lines: list[Line]) -> Iterator[str]:
    rules = [f"{quoted(line.key)} = {_value(line.value)}" for line in lines]
    width = max((len(rule) for rule in rules if "\n" not in rule), default=0)
    for rule, line in zip(rules, lines, strict=True):
        yield f"{rule:{width}}  # {line.why}"


def _value(value: Any) -> str:
    """Return a value as TOML, a long array with a line for each item."""
    text = toml_value(value)
    if not isinstance(value, list) or len(text) <= _WIDEST:
        return text
    return "\n".join(["[", *(f"    {toml_value(item)}," for item in value), "]"])
