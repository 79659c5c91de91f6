"""Keys: pinned, type-tagged, and changed by every edit that can change a result and by no other."""

import ast
import hashlib
import math
import os
import py_compile
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill import config, identity
from gristmill.domains import DOMAINS, STAGES, module_of, stage
from gristmill.errors import WorkError
from gristmill.identity import code_closure, digest_of, digest_of_file, identify
from gristmill.kinds import kinds
from gristmill.plan import identity_of

# The modules whose source is in each stage's key, for a CSV source and the model conv_lstm. A new line here means that
# an edit in that module makes the stage run again: is that so?
CLOSURES = {
    "ingest": [
        "gristmill",
        "gristmill.errors",
        "gristmill.sources",
        "gristmill.sources.csv",
        "gristmill.tables",
        "gristmill.timeseries",
        "gristmill.timeseries.ingest",
    ],
    "preprocess": [
        "gristmill",
        "gristmill.errors",
        "gristmill.tables",
        "gristmill.timeseries",
        "gristmill.timeseries.prepared",
        "gristmill.timeseries.preprocess",
        "gristmill.timeseries.windows",
    ],
    "train": [
        "gristmill",
        "gristmill.checkpoint",
        "gristmill.epoch",
        "gristmill.errors",
        "gristmill.files",
        "gristmill.fit",
        "gristmill.identity",
        "gristmill.network",
        "gristmill.tables",
        "gristmill.timeseries",
        "gristmill.timeseries.models",
        "gristmill.timeseries.models.conv_lstm",
        "gristmill.timeseries.prepared",
        "gristmill.timeseries.train",
        "gristmill.timeseries.windows",
    ],
    "evaluate": [
        "gristmill",
        "gristmill.errors",
        "gristmill.network",
        "gristmill.tables",
        "gristmill.timeseries",
        "gristmill.timeseries.baselines",
        "gristmill.timeseries.evaluate",
        "gristmill.timeseries.prepared",
        "gristmill.timeseries.scores",
        "gristmill.timeseries.windows",
    ],
    "export": [
        "gristmill",
        "gristmill.backend",
        "gristmill.bundle",
        "gristmill.errors",
        "gristmill.network",
        "gristmill.processes",
        "gristmill.tables",
        "gristmill.timeseries",
        "gristmill.timeseries.export",
        "gristmill.timeseries.prepared",
        "gristmill.timeseries.windows",
    ],
}

PARTS: dict[str, Any] = {
    "stage": "train",
    "code": {"gristmill.timeseries.train": "aa", "gristmill.fit": "bb"},
    "settings": {"train": {"epochs": 50, "learning_rate": 1e-3, "patience": None}, "model": {"kind": "dense"}},
    "inputs": {"preprocess": "cc"},
    "libraries": {"keras": "3.15.1", "numpy": "2.1.0"},
}

SYNTAX = """
import os
class A(B, k=1):
    x: int = -1
    def f(self, a, /, b=2, *c, d, e=f'{1!r:>3}', **g):
        try:
            return {**a, 'b': [i async for i in b if i]}
        except* (E, F) as e:
            raise X from e
        match a:
            case {'k': [1, *_], **rest} | None: pass
y = lambda: ... if 1j < 2 <= 3 else (b'0', u'u')[1:2, ::3]
"""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_the_digest_of_a_value_is_pinned() -> None:
    value = {"a": [1, 1.0, True, None, "1"], "b": {"c": -0.5}}
    assert digest_of(value) == "010c10136996145219f49187f12fa6c9dbf0a3a33583a089f201cd9b5d25124f"


def test_one_in_four_types_has_four_digests() -> None:
    assert len({digest_of(value) for value in (1, 1.0, True, "1")}) == 4


def test_empty_values_differ() -> None:
    empty: list[Any] = [None, False, 0, 0.0, "", [], {}, [None], [[]], {"": None}]
    assert len({digest_of(value) for value in empty}) == len(empty)


def test_what_a_value_is_tagged_with_is_not_mistaken_for_a_value() -> None:
    assert digest_of(1) != digest_of({"int": "1"})
    assert digest_of({"a": 1}) != digest_of({"dict": [["a", 1]]})


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})


def test_the_order_of_items_matters() -> None:
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_a_tuple_is_the_list_that_json_gives_back() -> None:
    assert digest_of((1, (2,))) == digest_of([1, [2]])


def test_neighbouring_floats_differ() -> None:
    assert digest_of(0.1) != digest_of(math.nextafter(0.1, 1))


@pytest.mark.parametrize("value", [{1, 2}, b"1", Path("a"), object()])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="only JSON values have a digest"):
        digest_of({"a": value})


@settings(max_examples=100, deadline=None)
@given(values, values)
def test_equal_exactly_where_values_and_their_types_are(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == same(one, other)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=3), values, max_size=5), st.randoms())
def test_any_order_of_keys_is_the_same_value(value: dict[str, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert digest_of(dict(items)) == digest_of(value)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal in type too, written without canonical form: the dumb check."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


def test_a_key_is_pinned() -> None:
    """Keys outlive releases: change this only together with FORMAT."""
    made_of = identify(**PARTS)
    assert made_of.key == "a1f6d8a64f05e9439d7c4cb57a4341c85219cafd17434c0451684457e2f65fa9"
    assert (made_of.stage, made_of.parts["format"]) == ("train", 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "evaluate"},
        {"code": PARTS["code"] | {"gristmill.fit": "bc"}},
        {"code": {"gristmill.timeseries.train": "aa"}},
        {"settings": PARTS["settings"] | {"model": {"kind": "linear"}}},
        {"settings": PARTS["settings"] | {"train": PARTS["settings"]["train"] | {"epochs": 50.0}}},
        {"inputs": {"preprocess": "cd"}},
        {"inputs": {"ingest": "cc"}},
        {"libraries": PARTS["libraries"] | {"numpy": "2.1.1"}},
    ],
)
def test_every_part_is_in_the_key(changed: dict[str, Any]) -> None:
    assert identify(**PARTS | changed).key != identify(**PARTS).key


def test_the_format_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identify(**PARTS).key
    monkeypatch.setattr(identity, "FORMAT", identity.FORMAT + 1)
    assert identify(**PARTS).key != before


def test_a_file_has_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest_of_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_versions_are_those_that_are_installed() -> None:
    assert identity.versions(("pydantic", "numpy")) == {name: metadata.version(name) for name in ("pydantic", "numpy")}


def closure(start: str, sources: dict[str, str]) -> dict[str, str]:
    """The closure of `start` in a package of these modules: `p/a` is the file `p/a.py`, beside an `__init__.py`."""
    with TemporaryDirectory() as folder:
        package = Path(folder) / "gristmill"
        for name, source in sources.items():
            file = package / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        for inner in [package, *(path for path in package.rglob("*") if path.is_dir())]:
            (inner / "__init__.py").touch()
        return code_closure([start], package)


def test_a_helper_two_imports_away_is_in() -> None:
    found = closure(
        "gristmill.a",
        {"a": "from gristmill.b import f", "b": "import gristmill.c", "c": "x = 1", "unused": "x = 1"},
    )
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.b", "gristmill.c"]


def test_an_import_inside_a_function_is_in() -> None:
    source = "def f():\n    if True:\n        try:\n            import gristmill.b\n        finally:\n            pass"
    assert "gristmill.b" in closure("gristmill.a", {"a": source, "b": ""})


def test_an_import_for_type_checking_is_in() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gristmill.b import B"
    assert "gristmill.b" in closure("gristmill.a", {"a": source, "b": ""})


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        ("from . import near", "gristmill.p.near"),
        ("from .near import f", "gristmill.p.near"),
        ("from .. import far", "gristmill.far"),
        ("from ..far import f", "gristmill.far"),
        ("from ..q.other import f", "gristmill.q.other"),
        ("from gristmill import far", "gristmill.far"),
        ("from gristmill.q import other as o", "gristmill.q.other"),
        ("import gristmill.q.other as o", "gristmill.q.other"),
    ],
)
def test_relative_and_absolute_imports_of_modules_and_of_names_in_them(source: str, reached: str) -> None:
    found = closure("gristmill.p.a", {"p/a": source, "p/near": "", "far": "", "q/other": ""})
    everything = {"gristmill.p.near", "gristmill.far", "gristmill.q.other"}
    assert everything & set(found) == {reached}


def test_relative_imports_in_a_package_start_at_the_package_itself() -> None:
    found = closure("gristmill.p.a", {"p/a": "", "p/__init__": "from . import near", "p/near": "", "near": ""})
    assert list(found) == ["gristmill", "gristmill.p", "gristmill.p.a", "gristmill.p.near"]


def test_every_package_on_the_way_is_in_with_what_it_imports() -> None:
    found = closure(
        "gristmill.a", {"a": "import gristmill.p.q.b", "p/q/b": "", "p/__init__": "import gristmill.c", "c": ""}
    )
    assert list(found) == [
        "gristmill",
        "gristmill.a",
        "gristmill.c",
        "gristmill.p",
        "gristmill.p.q",
        "gristmill.p.q.b",
    ]


def test_modules_that_import_each_other_are_in_once() -> None:
    found = closure("gristmill.a", {"a": "import gristmill.b", "b": "import gristmill.a"})
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.b"]


def test_tables_of_names_and_settings_are_out_with_all_that_only_they_import() -> None:
    outside = dict.fromkeys(("config", "domains", "cli", "project", "report"), "import gristmill.hidden")
    source = "\n".join(f"import gristmill.{name}" for name in (*outside, "settings", "p.settings"))
    found = closure(
        "gristmill.a",
        {"a": source, "hidden": "", "settings": "import gristmill.hidden", "p/settings": "", **outside},
    )
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.p"]


def test_of_a_module_and_a_package_of_one_name_the_package_is_in() -> None:
    """Python imports it and not the module."""
    found = closure("gristmill.a", {"a": "import gristmill.b", "a/__init__": "import gristmill.c", "b": "", "c": ""})
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.c"]


def test_names_outside_the_package_are_ignored() -> None:
    source = "import os, numpy.linalg, gristmill_other.b\nfrom tasks import stage\nfrom gristmill.nowhere import x"
    assert list(closure("gristmill.a", {"a": source})) == ["gristmill", "gristmill.a"]
    assert closure("tasks.train", {"a": ""}) == {}


@pytest.mark.parametrize(
    "edited",
    [
        "# a comment\ndef f(x):\n    return x + 1  # why\n",
        '"""A docstring."""\n\ndef f(x):\n    """Another."""\n    return x + 1\n',
        "def f(\n    x,\n):\n    return (x\n        + 1)\n",
        "\n\n\ndef f(x): return x+1",
        "def f(x):\n    return x + 0x1\n",
    ],
)
def test_comments_docstrings_and_layout_do_not_count(edited: str) -> None:
    assert closure("gristmill.a", {"a": edited}) == closure("gristmill.a", {"a": "def f(x):\n    return x + 1\n"})


def test_a_docstring_of_a_class_and_text_under_an_assignment_do_not_count() -> None:
    plain, documented = "class A:\n    x: int = 1\n", 'class A:\n    """A."""\n\n    x: int = 1\n    """x."""\n'
    assert closure("gristmill.a", {"a": plain}) == closure("gristmill.a", {"a": documented})


@pytest.mark.parametrize(
    "edited",
    [
        "def f(x):\n    return x + 2\n",
        "def f(x):\n    return x + 1.0\n",
        "def f(x):\n    return x - 1\n",
        "def f(y):\n    return y + 1\n",
        "def g(x):\n    return x + 1\n",
        "def f(x=None):\n    return x + 1\n",
        "def f(*, x):\n    return x + 1\n",
        "async def f(x):\n    return x + 1\n",
        "@cache\ndef f(x):\n    return x + 1\n",
        "def f(x: int):\n    return x + 1\n",
        "def f(x):\n    return x + 1\nX = None\n",
    ],
)
def test_a_real_edit_counts_where_it_was_made_and_nowhere_else(edited: str) -> None:
    before = closure("gristmill.a", {"a": "import gristmill.b", "b": "def f(x):\n    return x + 1\n"})
    after = closure("gristmill.a", {"a": "import gristmill.b", "b": edited})
    assert [name for name in before if before[name] != after[name]] == ["gristmill.b"]


def test_an_edit_with_the_old_time_counts_in_a_process_that_lives_on(tmp_path: Path) -> None:
    file = tmp_path / "gristmill/a.py"
    file.parent.mkdir()
    file.write_text("x = 1\n")
    before, stat = code_closure(["gristmill.a"], file.parent), file.stat()
    while file.stat().st_ctime_ns == stat.st_ctime_ns:  # until the file system's clock has moved on
        file.write_text("x = 2\n")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert code_closure(["gristmill.a"], file.parent) != before


def test_the_hash_of_source_is_pinned() -> None:
    """It must not change with the version of Python: keys would."""
    assert (
        closure("gristmill.a", {"a": SYNTAX})["gristmill.a"]
        == "99a76b3356022c7d3c70faeafba44af39ceae124867b2d0f89e00eec4a57342c"
    )


@pytest.mark.parametrize("name", [stage.name for stage in STAGES])
def test_what_a_stage_depends_on(name: str, project: Path) -> None:
    pipeline = config.load(project, {"small": ["model.kind=conv_lstm"]}).pipeline("small")
    assert list(identity_of(pipeline, stage(name), {}).parts["code"]) == CLOSURES[name]


def test_another_model_changes_the_closure_by_its_own_file_alone(project: Path) -> None:
    train = identity_of(config.load(project).pipeline("small"), stage("train"), {}).parts["code"]
    expected = {name.replace("conv_lstm", "linear") for name in CLOSURES["train"]}
    assert set(train) == expected


def test_no_module_of_a_closure_imports_by_a_computed_name() -> None:
    """Such an import would be in no closure."""
    stages = [module_of(domain, stage.name) for domain in DOMAINS for stage in STAGES]
    packages = {table for domain in DOMAINS for table in config.tables_of(domain).values() if isinstance(table, str)}
    choices = [f"{package}.{kind}" for package in packages for kind in kinds(package)]
    dynamic = [
        module
        for module in code_closure([*stages, *choices])
        if {"import_module", "__import__"} & names_in(identity.PACKAGE.parent / identity.source_name(module))
    ]
    assert set(dynamic) <= {"gristmill.identity"}  # `load_closure` imports what the closure already holds


def names_in(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {
        node.id for node in nodes if isinstance(node, ast.Name)
    }


def test_source_names_are_the_files_people_know() -> None:
    assert identity.source_name("gristmill.timeseries.windows") == "gristmill/timeseries/windows.py"
    assert identity.source_name("gristmill.timeseries") == "gristmill/timeseries/__init__.py"
    assert identity.source_name("gristmill.gone") == "gristmill/gone.py"


def test_a_module_older_than_the_process_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "STARTED_NS", 2**63)
    identity.load_closure(["gristmill", "gristmill.errors"])


def test_a_module_newer_than_the_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = (identity.PACKAGE / "errors.py").stat()
    monkeypatch.setattr(identity, "STARTED_NS", max(stat.st_mtime_ns, stat.st_ctime_ns) - 1)
    with pytest.raises(WorkError, match=r"errors\.py: changed after this process started\. Run again"):
        identity.load_closure(["gristmill.errors"])


class TestByteCode:
    """Python runs byte code whose source had the same size and second; that may be another source."""

    def test_byte_code_of_other_source_is_removed(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        file.write_text("answer = 1 - 2\n")
        stat = file.stat()
        cached = Path(py_compile.compile(str(file), doraise=True))
        file.write_text("answer = 1 * 2\n")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert identity._remove_foreign_bytecode(file)
        assert not cached.exists()
        assert not identity._remove_foreign_bytecode(file)

    def test_its_own_is_kept(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        file.write_text('"""Doc."""\n\n\ndef f(x: int) -> int:\n    return x + 1\n')
        cached = Path(py_compile.compile(str(file), doraise=True))
        assert not identity._remove_foreign_bytecode(file)
        assert cached.exists()

    def test_a_damaged_one_is_removed(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        file.write_text("answer = 1\n")
        cached = Path(py_compile.compile(str(file), doraise=True))
        cached.write_bytes(cached.read_bytes()[:20])
        assert identity._remove_foreign_bytecode(file)
