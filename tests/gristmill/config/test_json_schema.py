"""The schema that editors check `pipelines.toml` by: kept current, and as strict as the settings themselves."""

import importlib.util
import inspect
import io
import json
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from gristmill.config import json_schema
from gristmill.config.catalogue import load
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.domains.timeseries.settings import Harmonics, Train
from gristmill.settings.base import Settings
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.file_tables import Defaults, Deploy, JobVariables, Notify, Runner
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.settings.schedule import Freshness, Monitor
from gristmill.settings.selection import Auto, Axes, Range, Sweep
from gristmill.sources.texts.inline import Inline as TextInline

ROOT = Path(__file__).parents[3]
CHOICES = {
    (domain, table): [settings_of(kind, *choice.packages) for kind in kinds(*choice.packages)]
    if isinstance(choice, Kinds)
    else [choice]
    for domain in DOMAINS
    for table, choice in domain_of(domain).tables.items()
}


def tables_within(annotation: Any) -> Iterator[type[Settings]]:
    """Every settings class that a field's type mentions, and those that its own fields do; own code is text there."""
    if isinstance(annotation, type) and issubclass(annotation, Settings) and annotation is not CustomCode:
        yield annotation
        yield from (inner for field in annotation.model_fields.values() for inner in tables_within(field.annotation))
    for argument in get_args(annotation):
        yield from tables_within(argument)


CLASSES = [
    *tables_within(Defaults),
    *tables_within(Freshness),
    *tables_within(Monitor),
    *tables_within(Runner),
    *tables_within(Notify),
    *tables_within(Deploy),
    *tables_within(JobVariables),
    *tables_within(Sweep),
    *tables_within(Axes),
    *tables_within(Auto),
    *(inner for classes in CHOICES.values() for kind in classes for inner in tables_within(kind)),
]


@cache
def schema() -> dict[str, Any]:
    """The schema as a file has it. Not to be changed."""
    found: dict[str, Any] = json.loads(json.dumps(json_schema.schema()))
    return found


def name_of(kind: type[Settings]) -> str:
    """What the schema calls a settings class: with its module, where other classes of that name differ from it."""
    shared = {described(other) for other in CLASSES if other.__name__ == kind.__name__}
    return f"{kind.__module__}.{kind.__name__}".replace(".", "__") if len(shared) > 1 else kind.__name__


@cache
def described(kind: type[Settings]) -> str:
    """What the schema of a class alone holds."""
    return json.dumps([kind.model_json_schema(), comments(kind)])


def definition(kind: type[Settings]) -> dict[str, Any]:
    """What the schema says of a settings class."""
    found: dict[str, Any] = schema()["$defs"][name_of(kind)]
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
    references = [{"$ref": f"#/$defs/{name_of(kind)}"} for kind in CHOICES[domain, table]]
    offered = pipeline_of(domain)["properties"][table]
    if table == "model":
        *named, auto, own = offered["oneOf"]
        offered = {"oneOf": named}
        assert auto == {"$ref": "#/$defs/Auto"}
        assert own["properties"]["kind"] == {"type": "string", "pattern": r"\.py:[A-Za-z_]\w*$"}
        assert "additionalProperties" not in own  # the function's arguments
    assert offered == (references[0] if len(references) == 1 and table != "model" else {"oneOf": references})


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_kind_is_chosen_by_its_name(domain: str) -> None:
    packages = {table: choice for table, choice in domain_of(domain).tables.items() if isinstance(choice, Kinds)}
    assert set(packages) == {"source", "model"}
    for table, choice in packages.items():
        found = [definition(kind) for kind in CHOICES[domain, table]]
        assert [kind["properties"]["kind"]["const"] for kind in found] == kinds(*choice.packages)
        assert all("kind" in kind["required"] for kind in found)


def test_every_class_is_there_under_a_name_of_its_own() -> None:
    assert Harmonics in CLASSES  # a table within a table
    assert sorted(schema()["$defs"]) == sorted({name_of(kind) for kind in CLASSES})
    assert len({name_of(kind) for kind in CLASSES}) == len({(kind.__name__, described(kind)) for kind in CLASSES})


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not Sweep])  # whose other keys are tables
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
    needed = {"tabular": ["ingest"], "timeseries": ["ingest", "preprocess"], "vision": ["preprocess"]}
    assert found["required"] == ["domain", "source", *needed.get(domain, []), "model"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_sweep_has_its_own_keys_and_the_tables_of_its_domain(domain: str) -> None:
    assert pipeline_of(domain)["properties"]["sweep"] == {
        "$ref": "#/$defs/Sweep",
        "propertyNames": {"enum": ["seeds", "draws", "seed", "points", *domain_of(domain).tables]},
    }


def numbers_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every number that a part of the schema describes, other than a choice of some."""
    if isinstance(node, dict):
        if node.get("type") in ("integer", "number") and not node.keys() & {"enum", "const"}:
            yield node
        node = list(node.values())
    for inner in node if isinstance(node, list) else []:
        yield from numbers_in(inner)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_number_has_a_maximum(kind: type[Settings]) -> None:
    free = {Range: {"low", "high"}, TextInline: {"labels"}}.get(kind, set())  # a point is checked again; names
    properties = {name: node for name, node in definition(kind)["properties"].items() if name not in free}
    for node in numbers_in(properties):
        assert node.keys() & {"maximum", "exclusiveMaximum"}, node


@pytest.mark.parametrize("kind", CLASSES)
def test_a_table_and_its_fields_are_described(kind: type[Settings]) -> None:
    found = definition(kind)
    assert found["description"] == inspect.getdoc(kind)
    described = {name: key["description"] for name, key in found["properties"].items() if "description" in key}
    assert described == comments(kind)


def test_there_are_comments_to_describe_with() -> None:
    of_csv = comments(settings_of("csv", "gristmill.sources.tables"))
    assert of_csv["separator"] == "one character; default for .tsv files: a tab"
    assert of_csv["path"].startswith("a file, a folder of files, a pattern such as")  # its base declares it
    assert comments(Train)["clip_norm"] == "maximum global gradient norm; prevents exploding gradients"
    assert sum(len(comments(kind)) for kind in CLASSES) > len(CLASSES)


needs_jsonschema = pytest.mark.skipif(
    importlib.util.find_spec("jsonschema") is None, reason="needs jsonschema, which Prefect brings"
)


@cache
def validator() -> Any:
    """A validator of the schema, made once."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


@cache
def mistakes(text: str) -> list[str]:
    """Mistakes that a validator finds in a file."""
    return [error.message for error in validator().iter_errors(tomllib.loads(text))]


@needs_jsonschema
def test_the_pipelines_of_this_repository_fit() -> None:
    assert mistakes((ROOT / "pipelines.toml").read_text(encoding="utf-8")) == []


@needs_jsonschema
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('time = "month"', 'time = ["year", "month"]'),
        ("horizon = 2", 'horizon = 2\nharmonics = [{period = "year", pairs = 2}, {period = 11.5}]'),
        ("horizon = 2", 'horizon = 2\ncalendar = ["month"]\nvalidation = 0'),
        ("[pipelines.small.evaluate]", '[pipelines.small.train]\nlearning_rate = "find"\n[pipelines.small.evaluate]'),
        ("[pipelines.small.evaluate]", "[pipelines.small.backtest]\nwindows = 3\n[pipelines.small.evaluate]"),
        ('kind = "linear"', 'kind = "my_models.py:build"\nwidth = 64'),
        ('"timeseries"', '"timeseries"\nsweep = { seeds = 3, model.units = [[128], [512]], train.epochs = [3] }'),
        ('"timeseries"', '"timeseries"\nsweep.model = [{ kind = "linear" }, { kind = "dense", units = [3] }]'),
        (
            '"timeseries"',
            '"timeseries"\nsweep = { draws = 3, train.learning_rate = { low = 1e-4, high = 1, log = true } }',
        ),
        ('kind = "linear"', 'kind = "auto"\npreset = "none"\ncandidates = ["naive", { model = { kind = "dense" } }]'),
        ('"timeseries"', '"timeseries"\nsweep.points = [{}, { train = { epochs = 3 }, model = { kind = "linear" } }]'),
    ],
)
def test_what_the_settings_take_fits(project: Path, old: str, new: str) -> None:
    text = (project / "pipelines.toml").read_text().replace("validation = 40\n", "")
    assert text.count(old) == 1
    (project / "pipelines.toml").write_text(text.replace(old, new))
    assert "small" in load(project).pipelines
    assert mistakes(text.replace(old, new)) == []


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
        ('kind = "linear"', 'kind = "my_models.py:"'),
        ('kind = "linear"', 'kind = "auto"\npreset = "quik"'),
        ('kind = "linear"', 'kind = "auto"\ncandidates = "naive"'),
        ('["naive", "drift", "moving_average"', "[3"),
        ('kind = "csv"', 'kind = "my_sources.py:read"'),
        ('kind = "csv"', ""),
        ('time = "month"', "time = 3"),
        ('time = "month"', "time = [3]"),
        ("horizon = 2", 'horizon = 2\nharmonics = [{period = "yaer"}]'),
        ("horizon = 2", "horizon = 2\nharmonics = [{pairs = 1}]"),
        ("[pipelines.small.evaluate]", "[pipelines.small.backtest]\nwindows = -1\n[pipelines.small.evaluate]"),
        ('["keras"]', "[]"),
        ('["keras"]', '["onnx"]'),
        ('"timeseries"', '"audio"'),
        ("small.evaluate]", "small.evalute]"),
        ('"timeseries"', '"timeseries"\nsweep = { trian.epochs = [3] }'),
        ('"timeseries"', '"timeseries"\nsweep = { augment.rotation = [3] }'),  # of another domain
        ('"timeseries"', '"timeseries"\nsweep = { seeds = 0, train.epochs = [3] }'),
        ('"timeseries"', '"timeseries"\nsweep = { train.epochs = 3 }'),
        ('"timeseries"', '"timeseries"\nsweep = { train.epochs = [] }'),
        ('"timeseries"', '"timeseries"\nsweep = { draws = 2, train.epochs = { low = 3 } }'),
        ('"timeseries"', '"timeseries"\nsweep.points = [{ train = 3 }]'),
        ("[pipelines.small]", "[defaults]\nkeep_runs = 0\n[pipelines.small]"),
        ("[pipelines.small]", "[default]\n[pipelines.small]"),
    ],
)
def test_a_mistake_does_not_fit(project: Path, old: str, new: str) -> None:
    text = (project / "pipelines.toml").read_text()
    assert mistakes(text) == []
    assert text.count(old) == 1
    assert mistakes(text.replace(old, new)) != []
