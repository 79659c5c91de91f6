"""The schema that editors check `pipelines.toml` by: kept current, and as strict as the settings themselves."""

import importlib.util
import inspect
import io
import json
import tokenize
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gristmill.config import Defaults, tables_of
from gristmill.domains import DOMAINS
from gristmill.kinds import kinds, settings_of
from gristmill.schema import schema
from gristmill.settings import Settings

ROOT = Path(__file__).parent.parent.parent
CHOICES = {
    (domain, table): [settings_of(choice, kind) for kind in kinds(choice)] if isinstance(choice, str) else [choice]
    for domain in DOMAINS
    for table, choice in tables_of(domain).items()
}
CLASSES = [Defaults, *(kind for classes in CHOICES.values() for kind in classes)]


def definition(kind: type[Settings]) -> dict[str, Any]:
    """What the schema says of a settings class."""
    found: dict[str, Any] = schema()["$defs"][kind.__name__]
    return found


def pipeline_of(domain: str) -> dict[str, Any]:
    """What the schema says of a pipeline of a domain."""
    choices = schema()["properties"]["pipelines"]["additionalProperties"]["oneOf"]
    (found,) = (choice for choice in choices if choice["properties"]["domain"] == {"const": domain})
    return dict(found)


def comments(kind: type[Settings]) -> dict[str, str]:
    """The comment behind each field that a class has from itself and its bases, read off the tokens of its source."""
    found: dict[str, str] = {}
    for owner in reversed([base for base in kind.__mro__ if issubclass(base, Settings) and base is not Settings]):
        name = ""
        for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(owner)).readline):
            if token.type == tokenize.NAME and token.start[1] == 4 and token.string in owner.model_fields:
                name = token.string
            elif token.type == tokenize.COMMENT and name and token.line.strip() != token.string:
                found[name] = token.string.removeprefix("# ")
            elif token.type == tokenize.NEWLINE:
                name = ""
    return found


def test_the_file_is_current() -> None:
    """`make schema` writes it."""
    assert json.loads((ROOT / "pipelines.schema.json").read_text(encoding="utf-8")) == schema()


def test_pipelines_name_the_file_as_their_schema() -> None:
    assert (ROOT / "pipelines.toml").read_text().splitlines()[0] == "#:schema ./pipelines.schema.json"


@pytest.mark.parametrize(("domain", "table"), CHOICES)
def test_every_table_is_offered_with_every_kind(domain: str, table: str) -> None:
    references = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in CHOICES[domain, table]]
    offered = pipeline_of(domain)["properties"][table]
    assert offered == (references[0] if len(references) == 1 else {"oneOf": references})


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_kind_is_chosen_by_its_name(domain: str) -> None:
    packages = {table: choice for table, choice in tables_of(domain).items() if isinstance(choice, str)}
    assert set(packages) == {"source", "model"}
    for table, package in packages.items():
        found = [definition(kind) for kind in CHOICES[domain, table]]
        assert [kind["properties"]["kind"]["const"] for kind in found] == kinds(package)
        assert all("kind" in kind["required"] for kind in found)


def test_no_two_classes_share_a_name() -> None:
    """The later would take the place of the earlier."""
    assert sorted(schema()["$defs"]) == sorted({kind.__name__ for kind in CLASSES})
    assert len({kind.__name__ for kind in CLASSES}) == len(set(CLASSES))


@pytest.mark.parametrize("kind", CLASSES)
def test_unknown_keys_are_refused_and_known_ones_offered(kind: type[Settings]) -> None:
    found = definition(kind)
    assert found["additionalProperties"] is False
    assert set(found["properties"]) == set(kind.model_fields)
    assert set(found.get("required", [])) == {name for name, field in kind.model_fields.items() if field.is_required()}


@pytest.mark.parametrize("domain", DOMAINS)
def test_unknown_tables_are_refused_and_those_without_defaults_required(domain: str) -> None:
    found = pipeline_of(domain)
    assert found["additionalProperties"] is False
    assert schema()["additionalProperties"] is False
    assert found["required"] == ["domain", "source", "ingest", "preprocess", "model"]


@pytest.mark.parametrize("kind", CLASSES)
def test_a_table_and_its_fields_are_described(kind: type[Settings]) -> None:
    found = definition(kind)
    assert found["description"] == inspect.getdoc(kind)
    described = {name: key["description"] for name, key in found["properties"].items() if "description" in key}
    assert described == comments(kind)


def test_there_are_comments_to_describe_with() -> None:
    assert comments(settings_of("gristmill.sources", "csv"))["path"] == "the file, `.gz` included"
    assert sum(len(comments(kind)) for kind in CLASSES) > len(CLASSES)


needs_jsonschema = pytest.mark.skipif(
    importlib.util.find_spec("jsonschema") is None, reason="needs jsonschema, which Prefect brings"
)


def mistakes(text: str) -> list[str]:
    """What a validator has against a file."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    return [error.message for error in Draft202012Validator(schema()).iter_errors(tomllib.loads(text))]


@needs_jsonschema
def test_the_pipelines_of_this_repository_fit() -> None:
    assert mistakes((ROOT / "pipelines.toml").read_text(encoding="utf-8")) == []


@needs_jsonschema
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("horizon = 2", "horizn = 2"),
        ("history = 12", ""),
        ("history = 12", 'history = "12"'),
        ("history = 12", "history = 0"),
        ("test = 40", "test = 1.5"),
        ('kind = "linear"', 'kind = "linaer"'),
        ('kind = "linear"', 'kind = "linear"\nunits = [3]'),
        ('kind = "csv"', ""),
        ('["keras"]', "[]"),
        ('["keras"]', '["onnx"]'),
        ('"timeseries"', '"audio"'),
        ("small.evaluate]", "small.evalute]"),
        ("[pipelines.small]", "[defaults]\nkeep_runs = 0\n[pipelines.small]"),
        ("[pipelines.small]", "[default]\n[pipelines.small]"),
    ],
)
def test_a_mistake_does_not_fit(project: Path, old: str, new: str) -> None:
    text = (project / "pipelines.toml").read_text()
    assert mistakes(text) == []
    assert text.count(old) == 1
    assert mistakes(text.replace(old, new)) != []
