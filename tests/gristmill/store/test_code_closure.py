"""Code closures: all that can change a result and nothing else, and source that is parsed once as long as it stands."""

import ast
import importlib
import os
import py_compile
import sys
from contextlib import nullcontext
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest

from gristmill.config import catalogue
from gristmill.config.domains import DOMAINS, domain_of
from gristmill.config.stages import stages_of
from gristmill.errors import WorkError
from gristmill.keys import digest_of_file
from gristmill.runs.identity import identity_of
from gristmill.settings.kinds import Kinds, kinds, settings_of
from gristmill.store.code_closure import (
    PACKAGE,
    READER_VERSION,
    PackageCode,
    check_loaded,
    code_closure,
    load_closure,
    parse_source,
    source_name,
    with_imports,
)
from gristmill.store.imported_code import NO_IMPORTS
from gristmill.util.files import StatCache

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


def write(folder: Path, sources: dict[str, str]) -> Path:
    """Write a package of these modules: `p/a` is the file `p/a.py`, beside an `__init__.py`."""
    package = folder / "gristmill"
    package.mkdir(parents=True)
    for name, source in sources.items():
        file = package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    for inner in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (inner / "__init__.py").touch()
    return package


def closure_of(start: str, sources: dict[str, str]) -> dict[str, str]:
    """The closure of `start` in a package of these modules."""
    with TemporaryDirectory() as folder:
        modules = PackageCode(StatCache(Path(folder) / "memo"), write(Path(folder), sources)).modules()
        return code_closure([start], modules)


def test_a_helper_two_imports_away_is_in() -> None:
    found = closure_of(
        "gristmill.a",
        {"a": "from gristmill.b import f", "b": "import gristmill.c", "c": "x = 1", "unused": "x = 1"},
    )
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.b", "gristmill.c"]


def test_an_import_inside_a_function_is_in() -> None:
    source = "def f():\n    if True:\n        try:\n            import gristmill.b\n        finally:\n            pass"
    assert "gristmill.b" in closure_of("gristmill.a", {"a": source, "b": ""})


def test_an_import_for_type_checking_is_in() -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gristmill.b import B"
    assert "gristmill.b" in closure_of("gristmill.a", {"a": source, "b": ""})


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
    found = closure_of("gristmill.p.a", {"p/a": source, "p/near": "", "far": "", "q/other": ""})
    everything = {"gristmill.p.near", "gristmill.far", "gristmill.q.other"}
    assert everything & set(found) == {reached}


def test_relative_imports_in_a_package_start_at_the_package_itself() -> None:
    found = closure_of("gristmill.p.a", {"p/a": "", "p/__init__": "from . import near", "p/near": "", "near": ""})
    assert list(found) == ["gristmill", "gristmill.p", "gristmill.p.a", "gristmill.p.near"]


def test_every_package_on_the_way_is_in_with_what_it_imports() -> None:
    found = closure_of(
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
    found = closure_of("gristmill.a", {"a": "import gristmill.b", "b": "import gristmill.a"})
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.b"]


def test_tables_of_names_and_settings_are_out_with_all_that_only_they_import() -> None:
    outside = dict.fromkeys(("config", "reports", "cli", "project"), "import gristmill.hidden")
    source = "\n".join(f"import gristmill.{name}" for name in (*outside, "settings", "p.settings"))
    found = closure_of(
        "gristmill.a",
        {"a": source, "hidden": "", "settings": "import gristmill.hidden", "p/settings": "", **outside},
    )
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.p"]


def test_of_a_module_and_a_package_of_one_name_the_package_is_in() -> None:
    """Python imports it and not the module."""
    found = closure_of("gristmill.a", {"a": "import gristmill.b", "a/__init__": "import gristmill.c", "b": "", "c": ""})
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.c"]


def test_names_outside_the_package_are_ignored() -> None:
    source = "import os, numpy.linalg, gristmill_other.b\nfrom tasks import stage\nfrom gristmill.nowhere import x"
    assert list(closure_of("gristmill.a", {"a": source})) == ["gristmill", "gristmill.a"]
    assert closure_of("tasks.stage_tasks", {"a": ""}) == {}


@pytest.mark.fault(19)
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
    assert closure_of("gristmill.a", {"a": edited}) == closure_of("gristmill.a", {"a": "def f(x):\n    return x + 1\n"})


@pytest.mark.fault(19)
def test_a_docstring_of_a_class_and_text_under_an_assignment_do_not_count() -> None:
    plain, documented = "class A:\n    x: int = 1\n", 'class A:\n    """A."""\n\n    x: int = 1\n    """x."""\n'
    assert closure_of("gristmill.a", {"a": plain}) == closure_of("gristmill.a", {"a": documented})


@pytest.mark.fault(19)
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
    before = closure_of("gristmill.a", {"a": "import gristmill.b", "b": "def f(x):\n    return x + 1\n"})
    after = closure_of("gristmill.a", {"a": "import gristmill.b", "b": edited})
    assert [name for name in before if before[name] != after[name]] == ["gristmill.b"]


def test_source_that_is_no_python_counts_as_it_stands() -> None:
    """A syntax error is told when the module is imported; one in a module that nothing reaches does no harm."""
    found = [closure_of("gristmill.a", {"a": "import gristmill.b", "b": text, "c": "("}) for text in ("(", "((", "\0")]
    assert len({source["gristmill.b"] for source in found}) == 3


def test_files_that_are_no_modules_are_ignored(tmp_path: Path) -> None:
    package = write(tmp_path, {"a": "import gristmill", "a-b": "(", "1": "(", "old-models/c": "x = 1"})
    (package / ".#a.py").symlink_to("nowhere")
    assert sorted(PackageCode(StatCache(tmp_path / "memo"), package).modules()) == ["gristmill", "gristmill.a"]


def test_a_folder_that_is_a_link_is_followed_as_python_does(tmp_path: Path) -> None:
    package = write(tmp_path, {"a": "import gristmill.p.b"})
    write(tmp_path / "elsewhere", {"b": "x = 1"}).rename(tmp_path / "p")
    (package / "p").symlink_to(tmp_path / "p")
    found = code_closure(["gristmill.a"], PackageCode(StatCache(tmp_path / "memo"), package).modules())
    assert list(found) == ["gristmill", "gristmill.a", "gristmill.p", "gristmill.p.b"]


class TestMemory:
    """A source file is parsed once as long as it stands as it is."""

    @pytest.fixture(autouse=True)
    def rested(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gristmill.util.files.MIN_AGE_NS", 0)

    @pytest.fixture
    def parsed(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The text of what was parsed, as it happens; what this process has parsed before is forgotten."""
        texts: list[str] = []
        parse = ast.parse

        def parse_and_note(source: bytes) -> ast.AST:
            texts.append(source.decode())
            return parse(source)

        parse_source.cache_clear()
        monkeypatch.setattr(ast, "parse", parse_and_note)
        return texts

    def test_only_an_edited_file_is_parsed_by_the_next_process(self, tmp_path: Path, parsed: list[str]) -> None:
        package, memo = write(tmp_path, {"a": "import gristmill.b", "b": "x = 1"}), StatCache(tmp_path / "memo")
        before = PackageCode(memo, package).modules()
        assert sorted(parsed) == ["", "import gristmill.b", "x = 1"]
        parse_source.cache_clear()
        assert PackageCode(memo, package).modules() == before
        (package / "b.py").write_text("x = 2")
        after = PackageCode(memo, package).modules()
        assert parsed[3:] == ["x = 2"]
        assert [name for name in before if before[name] != after[name]] == ["gristmill.b"]

    def test_only_modules_within_reach_are_parsed(self, tmp_path: Path, parsed: list[str]) -> None:
        package, memo = write(tmp_path, {"a": "import gristmill.b", "b": "x = 1", "c": "x = 2"}), StatCache(tmp_path)
        near = PackageCode(memo, package).modules(["gristmill.a", "keras.layers"])
        assert sorted(parsed) == ["", "import gristmill.b", "x = 1"]
        everything = PackageCode(memo, package).modules()
        assert near == {name: everything[name] for name in everything if name != "gristmill.c"}

    def test_a_module_keeps_its_first_content(self, tmp_path: Path, parsed: list[str]) -> None:
        package = write(tmp_path, {"a": "import gristmill.c", "b": "import gristmill.c", "c": "x = 1"})
        code = PackageCode(StatCache(tmp_path / "memo"), package)
        before = code.modules(["gristmill.a"])["gristmill.c"]
        (package / "c.py").write_text("x = 2")

        assert code.modules(["gristmill.a"]).keys() == {"gristmill", "gristmill.a", "gristmill.c"}
        assert code.modules(["gristmill.b"]).keys() == {"gristmill", "gristmill.a", "gristmill.b", "gristmill.c"}
        assert code.modules(["gristmill.b"])["gristmill.c"] == before

    def test_an_edit_with_the_old_size_and_time_counts(self, tmp_path: Path) -> None:
        package, memo = write(tmp_path, {"a": "x = 1\n"}), StatCache(tmp_path / "memo")
        before, stat = PackageCode(memo, package).modules(), (package / "a.py").stat()
        while (package / "a.py").stat().st_ctime_ns == stat.st_ctime_ns:  # until the file system's clock has moved on
            (package / "a.py").write_text("x = 2\n")
            os.utime(package / "a.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert PackageCode(memo, package).modules()["gristmill.a"] != before["gristmill.a"]

    def test_a_module_that_comes_or_goes_is_seen(self, tmp_path: Path) -> None:
        package, memo = write(tmp_path, {"a": "from gristmill import b"}), StatCache(tmp_path / "memo")
        found = []
        for change in (lambda file: None, lambda file: file.touch(), lambda file: file.unlink()):
            change(package / "b.py")
            found.append(list(code_closure(["gristmill.a"], PackageCode(memo, package).modules())))
        alone = ["gristmill", "gristmill.a"]
        assert found == [alone, [*alone, "gristmill.b"], alone]

    def test_what_another_python_or_another_gristmill_read_is_not_taken(
        self, tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package, memo = write(tmp_path, {}), StatCache(tmp_path / "memo")
        PackageCode(memo, package).modules()
        parse_source.cache_clear()
        monkeypatch.setattr("gristmill.store.code_closure.READER_VERSION", "another")
        PackageCode(memo, package).modules()
        assert parsed == ["", ""]

    def test_it_is_this_python_and_this_module_that_read(self) -> None:
        assert sys.version in READER_VERSION
        assert digest_of_file(PACKAGE / "store/code_closure.py") in READER_VERSION


def test_an_edit_counts_in_a_process_that_lives_on_though_its_times_may_not_tell(tmp_path: Path) -> None:
    """Within a tick of the clock size and times stay the same: a young file is read each time."""
    package, memo = write(tmp_path, {"a": "x = 1\n"}), StatCache(tmp_path / "memo")
    before, stat = PackageCode(memo, package).modules(), (package / "a.py").stat()
    (package / "a.py").write_text("x = 2\n")
    os.utime(package / "a.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert PackageCode(memo, package).modules()["gristmill.a"] != before["gristmill.a"]


def test_the_hash_of_source_is_pinned() -> None:
    """It must not change with the version of Python: keys would."""
    assert (
        closure_of("gristmill.a", {"a": SYNTAX})["gristmill.a"]
        == "99a76b3356022c7d3c70faeafba44af39ceae124867b2d0f89e00eec4a57342c"
    )


MODEL = 'model={kind = "auto", preset = "none", candidates = ["MODEL"]}'


def code_of(name: str, project: Path, model: str) -> list[str]:
    """The modules in the key of a stage of the small pipeline with one candidate."""
    settings = [MODEL.replace("MODEL", model), "backtest.windows=1", "export.refit=true", "evaluate.baselines=[]"]
    pipeline = catalogue.load(project, {"small": settings}).pipeline("small")
    (stage,) = (one for one in stages_of("timeseries", pipeline.tables) if one.name == name)
    return list(identity_of(stage, {}, PackageCode(StatCache(project / "memo")), NO_IMPORTS).parts["code"])


@pytest.mark.fault(19)
@pytest.mark.parametrize("model", ["linear", "conv_lstm"])
def test_of_the_models_only_the_chosen_one_is_in(project: Path, model: str) -> None:
    models = "gristmill.domains.timeseries.models"
    of_models = [name for name in code_of("train", project, model) if name.startswith(f"{models}.")]
    assert of_models == [settings_of(model, models).__module__]


@pytest.mark.fault(19)
def test_no_module_of_a_closure_imports_by_a_computed_name(tmp_path: Path) -> None:
    """Such an import would be in no closure."""
    stages = [stage.module for domain in DOMAINS for stage in domain_of(domain).stages]
    tables = [table for domain in DOMAINS for table in domain_of(domain).tables.values()]
    packages = {package for table in tables if isinstance(table, Kinds) for package in table.packages}
    choices = [settings_of(kind, package).__module__ for package in packages for kind in kinds(package)]
    dynamic = [
        module
        for module in code_closure([*stages, *choices], PackageCode(StatCache(tmp_path)).modules())
        if {"import_module", "__import__"} & names_in(PACKAGE.parent / source_name(module))
    ]
    assert dynamic == []


def names_in(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {
        node.id for node in nodes if isinstance(node, ast.Name)
    }


def test_source_names_are_the_files_people_know() -> None:
    assert source_name("gristmill.domains.timeseries.data.windows") == "gristmill/domains/timeseries/data/windows.py"
    assert source_name("gristmill.domains.timeseries") == "gristmill/domains/timeseries/__init__.py"
    assert source_name("gristmill.gone") == "gristmill/gone.py"
    assert source_name("own_layers/widths.py") == "own_layers/widths.py"


def test_a_module_older_than_the_process_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from gristmill import scaffold
    from gristmill.scaffold import forecast_windows

    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)
    monkeypatch.setattr(scaffold, "forecast_windows", forecast_windows)  # restores the module at the end
    monkeypatch.delitem(sys.modules, "gristmill.scaffold.forecast_windows")

    load_closure(["gristmill", "gristmill.scaffold.forecast_windows"])

    assert sys.modules["gristmill.scaffold.forecast_windows"] is not forecast_windows


def test_a_module_newer_than_the_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = (PACKAGE / "errors.py").stat()
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", max(stat.st_mtime_ns, stat.st_ctime_ns) - 1)
    with pytest.raises(WorkError, match=r"errors\.py: changed after this process started\. Run again"):
        load_closure(["gristmill.errors"])


def test_files_of_other_packages_in_a_closure_are_not_imported_as_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)
    monkeypatch.setattr(importlib, "import_module", imported.append)

    load_closure(["gristmill.errors", "own_layers/widths.py"])

    assert imported == ["gristmill.errors"]


@pytest.mark.fault(33)
@pytest.mark.parametrize("loaded", [True, False])
def test_a_file_of_a_package_that_is_newer_than_the_process_is_refused_where_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    (tmp_path / "widths.py").write_text("WIDTH = 2\n")
    if loaded:
        monkeypatch.setitem(sys.modules, "own_layers.widths", ModuleType("own_layers.widths"))

    with pytest.raises(WorkError, match=r"widths\.py: changed after this process") if loaded else nullcontext():
        check_loaded({tmp_path / "widths.py": "own_layers.widths"})
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)
    check_loaded({tmp_path / "widths.py": "own_layers.widths"})


@pytest.mark.fault(33)
@pytest.mark.parametrize("loaded", [True, False])
def test_byte_code_of_other_source_is_not_run_of_a_package_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    cached = compiled(tmp_path / "widths.py", "WIDTH = 2\n", then="WIDTH = 3\n")
    monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)
    if loaded:
        monkeypatch.setitem(sys.modules, "own_layers.widths", ModuleType("own_layers.widths"))

    with (
        pytest.raises(WorkError, match=r"widths\.py: its byte code was compiled from another")
        if loaded
        else nullcontext()
    ):
        check_loaded({tmp_path / "widths.py": "own_layers.widths"})
    assert not cached.exists()


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"net.py": "import os, json"}, []),
        ({"net.py": "import layers", "layers.py": "from blocks import f", "blocks.py": ""}, ["blocks.py", "layers.py"]),
        ({"net.py": "def f():\n    from layers import g", "layers.py": "import net"}, ["layers.py"]),
        (
            {"net.py": "import p.q", "p/__init__.py": "", "p/q.py": "from . import r", "p/r.py": ""},
            ["p/__init__.py", "p/q.py", "p/r.py"],
        ),
        ({"net.py": "from p.q import f", "p/q.py": "from .. import top", "top.py": ""}, ["p/q.py", "top.py"]),
        ({"net.py": "import layers", "layers.py": "("}, ["layers.py"]),
        ({"net.py": "(", "layers.py": ""}, []),
        ({"net.py": "import layers", f"layers{EXTENSION_SUFFIXES[0]}": ""}, [f"layers{EXTENSION_SUFFIXES[0]}"]),
        ({"net.py": "import layers", "layers.pyc": ""}, ["layers.pyc"]),
        ({"net.py": "import layers", "layers.py": "", "layers.pyc": ""}, ["layers.py"]),
        ({"net.py": "import p", "p.py": "", "p/__init__.py": ""}, ["p/__init__.py"]),
    ],
)
def test_to_a_user_s_file_belongs_what_it_imports_from_beside_it(
    tmp_path: Path, sources: dict[str, str], found: list[str]
) -> None:
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    assert with_imports(tmp_path / "net.py") == tuple(tmp_path / name for name in ["net.py", *found])


def compiled(
    file: Path, source: str, then: str | None = None, by: PycInvalidationMode = PycInvalidationMode.TIMESTAMP
) -> Path:
    """Write and compile a module, then give it another source of the same time; return the byte code."""
    file.write_text(source)
    stat = file.stat()
    cached = Path(py_compile.compile(str(file), doraise=True, invalidation_mode=by))
    file.write_text(source if then is None else then)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return cached


def has_foreign_bytecode(file: Path) -> bool:
    """Return whether the check of a module that is loaded refuses the byte code of its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)
        try:
            check_loaded({file: "sys"})
        except WorkError:
            return True
    return False


class TestByteCode:
    """Python runs byte code whose source had the same size and second, or that says not to look at the source."""

    @pytest.mark.parametrize("by", [PycInvalidationMode.TIMESTAMP, PycInvalidationMode.UNCHECKED_HASH])
    def test_byte_code_of_other_source_is_removed(self, tmp_path: Path, by: PycInvalidationMode) -> None:
        file = tmp_path / "module.py"
        cached = compiled(file, "answer = 1 - 2\n", then="answer = 1 * 2\n", by=by)
        assert has_foreign_bytecode(file)
        assert not cached.exists()
        assert not has_foreign_bytecode(file)

    def test_byte_code_whose_source_python_compares_is_left_to_python(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        compiled(file, "answer = 1 - 2\n", then="answer = 1 * 2\n", by=PycInvalidationMode.CHECKED_HASH)
        assert not has_foreign_bytecode(file)

    @pytest.mark.parametrize("by", PycInvalidationMode)
    def test_its_own_is_kept(self, tmp_path: Path, by: PycInvalidationMode) -> None:
        file = tmp_path / "module.py"
        cached = compiled(file, '"""Doc."""\n\n\ndef f(x: int) -> int:\n    return x + 1\n', by=by)
        assert not has_foreign_bytecode(file)
        assert cached.exists()

    def test_python_runs_the_source_in_place_of_byte_code_that_says_not_to_look_at_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "unchecked_module.py"
        compiled(file, "ANSWER = 1\n", then="ANSWER = 1234\n", by=PycInvalidationMode.UNCHECKED_HASH)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr("gristmill.util.process_start.STARTED_NS", 2**63)

        check_loaded({file: "unchecked_module"})

        assert importlib.import_module("unchecked_module").ANSWER == 1234
        del sys.modules["unchecked_module"]

    def test_a_syntax_error_is_left_to_the_import(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        cached = compiled(file, "answer = 1\n", then="answer = (\n", by=PycInvalidationMode.UNCHECKED_HASH)
        assert not has_foreign_bytecode(file)
        assert not cached.exists()

    def test_a_damaged_one_is_removed(self, tmp_path: Path) -> None:
        file = tmp_path / "module.py"
        file.write_text("answer = 1\n")
        cached = Path(py_compile.compile(str(file), doraise=True))
        cached.write_bytes(cached.read_bytes()[:20])
        assert has_foreign_bytecode(file)
