"""A user's own code is found by name, hashed with all it imports, and refused in one line where it does not fit."""

import os
import py_compile
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gristmill.config.catalogue import load
from gristmill.config.stages import stages_of
from gristmill.errors import DataError, GristmillError, RequestError, WorkError
from gristmill.runs.identity import locate_inputs, resolve_inputs
from gristmill.settings.base import identity_values, locations
from gristmill.settings.custom_code import CustomCode, is_custom
from gristmill.store.code_closure import with_imports
from helpers.scoreboard import Fault
from helpers.support import edit, unnumbered

TOML = """
[pipelines.mine]
domain = "timeseries"
source = { kind = "csv", path = "series.csv" }
ingest = { time = "ds", target = "y" }
preprocess = { history = 4 }
model = { kind = "networks/mine.py:build", units = 3, names = ["a"] }
"""

AUTO = 'model = { kind = "auto", preset = "none", candidates = ["naive", "models.py:build"] }'

BUILD = "from blocks import width\n\ndef build(shape, units, names):\n    return (width(shape), units, names)\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A project with an own model that imports a file beside it, which imports another."""
    folder = tmp_path / "networks"
    (folder / "parts").mkdir(parents=True)
    (tmp_path / "pipelines.toml").write_text(TOML)
    (tmp_path / "series.csv").write_text("ds,y\n")
    (folder / "mine.py").write_text(BUILD)
    (folder / "blocks.py").write_text(
        "import math\nfrom parts.sizes import SIZE\n\ndef width(shape):\n    return SIZE\n"
    )
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "sizes.py").write_text("SIZE = 7\n")
    (folder / "unrelated.py").write_text("SIZE = 1\n")
    return folder


def own(kind: str = "mine.py:build", **arguments: Any) -> CustomCode:
    return CustomCode.model_validate({"kind": kind} | arguments)


def load_mine(folder: Path) -> Any:
    """Return what the project's own function gives, loaded as a stage loads it."""
    return own(units=3, names=["a"]).load(with_imports(folder / "mine.py"))("shape")


def key_of_train(project: Path) -> str:
    """Return the key of the training, as `plan` finds it."""
    catalogue = load(project)
    pipeline = catalogue.pipeline("mine")
    (stage,) = (stage for stage in stages_of(pipeline.domain, pipeline.tables) if stage.name == "train")
    return resolve_inputs(catalogue, pipeline, stage, {"preprocess": "0"}).identity.key


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("mine.py:build", True),
        ("folder/my models.py:build_it", True),
        ("/absolute/mine.py:build", True),
        ("mine.py:", False),
        ("mine.py:not a name", False),
        ("mine.txt:build", False),
        ("mine.py", False),
        ("linear", False),
        (None, False),
        (3, False),
    ],
)
def test_a_kind_that_names_a_function_in_a_file(kind: object, named: bool) -> None:
    assert is_custom(kind) is named


def test_all_further_keys_are_arguments() -> None:
    table = own("networks/mine.py:build", units=3, names=["a", "b"])

    assert (table.file, table.function) == ("networks/mine.py", "build")
    assert table.arguments == {"units": 3, "names": ["a", "b"]}
    assert CustomCode.model_validate(table.model_dump()) == table  # as a run record keeps it
    assert list(locations(table)) == [("file", "networks/mine.py")]


def test_where_the_file_lies_is_no_part_of_its_identity_but_the_function_and_its_arguments_are() -> None:
    values = identity_values(own(units=3))

    assert "file" not in values
    assert values["function"] == "build"
    assert values["arguments"] == {"units": 3}


def test_an_argument_may_have_any_name() -> None:
    assert own(function="relu", file="weights.csv").arguments == {"function": "relu", "file": "weights.csv"}


def test_the_function_is_called_with_the_shape_and_its_arguments(mine: Path) -> None:
    assert load_mine(mine) == (7, 3, ["a"])


def test_what_is_imported_when_the_function_is_called_lies_beside_it_too(mine: Path) -> None:
    (mine / "mine.py").write_text(
        "def build(shape, units, names):\n    import blocks\n    return blocks.width(shape)\n"
    )

    assert load_mine(mine) == 7


def test_loading_leaves_no_trace(mine: Path) -> None:
    path, modules = list(sys.path), set(sys.modules)

    load_mine(mine)
    with pytest.raises(RequestError):
        own("mine.py:missing").load(with_imports(mine / "mine.py"))

    assert sys.path == path
    assert set(sys.modules) == modules


class Lazy(ModuleType):
    """A module of another package that imports what it needs when it is first asked for an attribute."""

    def __getattr__(self, name: str) -> Any:
        sys.modules["imported_late"] = ModuleType("imported_late")
        raise ImportError("needs another package")


def test_loading_does_not_load_lazy_modules_of_other_packages(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = Lazy("lazy")
    monkeypatch.setitem(sys.modules, "lazy", lazy)

    assert load_mine(mine)[0] == 7

    assert "imported_late" not in sys.modules


def test_files_of_one_name_in_two_projects_are_not_mixed_up(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text(BUILD)
    (other / "blocks.py").write_text("def width(shape):\n    return 99\n")

    assert [load_mine(folder)[0] for folder in (mine, other, mine)] == [7, 99, 7]


def test_what_a_file_imports_beside_it_is_found_and_nothing_else(mine: Path) -> None:
    found = [file.relative_to(mine).as_posix() for file in with_imports(mine / "mine.py")]

    assert found == ["mine.py", "blocks.py", "parts/__init__.py", "parts/sizes.py"]


@pytest.mark.parametrize("file", ["mine.py", "blocks.py", "parts/__init__.py", "parts/sizes.py"])
def test_an_edit_of_the_file_or_of_one_it_imports_changes_the_key_of_the_training(mine: Path, file: str) -> None:
    before = key_of_train(mine.parent)
    (mine / file).write_text((mine / file).read_text() + "# edited\n")

    assert key_of_train(mine.parent) != before


def test_an_edit_of_another_file_does_not(mine: Path) -> None:
    before = key_of_train(mine.parent)
    (mine / "unrelated.py").write_text("SIZE = 2\n")
    (mine / "new.py").write_text("")

    assert key_of_train(mine.parent) == before


def test_another_argument_changes_the_key_of_the_training(mine: Path) -> None:
    before, toml = key_of_train(mine.parent), mine.parent / "pipelines.toml"
    toml.write_text(TOML.replace("units = 3", "units = 4"))

    assert key_of_train(mine.parent) != before


@pytest.mark.parametrize("file", ["mine.py", "parts/sizes.py"])
def test_an_edit_counts_in_the_process_that_has_loaded_the_file_before(mine: Path, file: str) -> None:
    """Of the same length and within the second, which byte code could not tell."""
    first, path = load_mine(mine), mine / file
    times = path.stat()
    path.write_text(path.read_text().replace("units, names)\n", "names, units)\n").replace("SIZE = 7", "SIZE = 8"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert first == (7, 3, ["a"])
    assert load_mine(mine) == ((7, ["a"], 3) if file == "mine.py" else (8, 3, ["a"]))


@pytest.mark.parametrize("file", ["mine.py", "parts/sizes.py"])
def test_byte_code_that_says_not_to_look_at_its_source_is_not_run(mine: Path, file: str) -> None:
    path = mine / file
    py_compile.compile(str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    path.write_text(path.read_text().replace("units, names)\n", "names, units)\n").replace("SIZE = 7", "SIZE = 8"))

    assert load_mine(mine) == ((7, ["a"], 3) if file == "mine.py" else (8, 3, ["a"]))


def test_byte_code_without_source_counts_as_a_file_that_is_imported(mine: Path) -> None:
    source, before = mine / "parts/sizes.py", key_of_train(mine.parent)
    for size in (8, 9):
        source.write_text(f"SIZE = {size}\n")
        py_compile.compile(str(source), str(source.with_suffix(".pyc")), doraise=True)
        source.unlink()
        assert key_of_train(mine.parent) != before
        assert load_mine(mine) == (size, 3, ["a"])
        before = key_of_train(mine.parent)


@pytest.mark.fault(29)
def test_code_is_sought_in_the_project_alone(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(mine, tmp_path / "elsewhere/networks")
    monkeypatch.setenv("GRISTMILL_DATA", str(tmp_path / "elsewhere"))

    with pytest.raises(DataError) as raised:
        key_of_train(tmp_path)

    assert unnumbered(raised.value) == (
        f"[pipelines.mine.model] file: no such file '{mine / 'mine.py'}'. Put it there, or correct the path."
    )


def test_a_missing_file_is_told_with_its_candidate(mine: Path) -> None:
    edit(mine.parent / "pipelines.toml", 'model = { kind = "networks/mine.py:build", units = 3, names = ["a"] }', AUTO)
    catalogue = load(mine.parent)
    pipeline = catalogue.pipeline("mine")
    (stage,) = (one for one in stages_of(pipeline.domain, pipeline.tables) if one.label == "train models.py:build")

    with pytest.raises(DataError) as raised:
        locate_inputs(catalogue, pipeline, stage)
    assert unnumbered(raised.value) == (
        f"[pipelines.mine.model] file of candidate models.py:build: no such file '{mine.parent / 'models.py'}'. "
        "Put it there, or correct the path."
    )


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    "place", ["/elsewhere/mine.py", "../mine.py", "a/../../mine.py", "~/mine.py", "file:///mine.py"]
)
def test_code_outside_of_the_project_is_refused(mine: Path, place: str, fault: Fault) -> None:
    edit(mine.parent / "pipelines.toml", "networks/mine.py", place)

    with pytest.raises(RequestError) as raised:
        load(mine.parent)

    fault.said(unnumbered(raised.value))
    assert unnumbered(raised.value) == (
        "pipelines.toml [pipelines.mine.model] file: expected a path within the project; copy the file into it. "
        f"Received: '{place}' (string)."
    )


@pytest.mark.fault(29)
@pytest.mark.parametrize("file", ["mine.py", "blocks.py"])
def test_a_link_to_code_outside_of_the_project_is_refused(mine: Path, tmp_path_factory: Any, file: str) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / file
    shutil.move(mine / file, elsewhere)
    (mine / file).symlink_to(elsewhere)

    with pytest.raises(DataError) as raised:
        key_of_train(mine.parent)

    assert unnumbered(raised.value) == (
        f"[pipelines.mine.model] file: '{mine / file}' is a link out of the project. Copy the file into it."
    )


def test_the_name_of_the_project_s_folder_is_no_pattern(mine: Path) -> None:
    project = mine.parent.rename(mine.parent.with_name("a[bc]"))
    before = key_of_train(project)
    (project / "networks/mine.py").write_text("# edited\n")

    assert key_of_train(project) != before


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def build(shape:\n", r"mine\.py: cannot be imported \('\(' was never closed .*\)\. Fix it\."),
        ("import no_such_module\n", r"cannot be imported \(No module named 'no_such_module'\)\. Fix it\."),
        ("build = name\n", r"cannot be imported \(name 'name' is not defined\)\. Fix it\."),
        ("from . import blocks\n", r"cannot be imported \(attempted relative import .*\)\. Fix it\."),
        ("other = 1\n", r"no function 'build'\. Correct 'mine\.py:build'\."),
        ("build = 1\n", r"no function 'build'\. Correct 'mine\.py:build'\."),
        (
            "def build(shape): ...\n",
            r"build\(\) does not accept the arguments of its table .*'units'.*the shape and then units\.",
        ),
        ("def build(shape, units, depth): ...\n", r"build\(\) does not accept the arguments of its table .*'depth'"),
        ("def build(*, units): ...\n", r"build\(\) does not accept the arguments of its table"),
    ],
)
def test_code_that_does_not_fit_is_refused_in_a_line(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(code)

    with pytest.raises(RequestError, match=rf"^{tmp_path}/mine\.py: ") as refused:
        own(units=3).load([tmp_path / "mine.py"])
    assert refused.match(said)
    assert "\n" not in unnumbered(refused.value)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("raise ValueError('no such\\n network')", RequestError, "ValueError: no such network"),
        ("return shape.colour", RequestError, "AttributeError: 'str' object has no attribute 'colour'"),
        ("import no_such_module", RequestError, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("assert not shape", RequestError, "AssertionError"),
        ("import json; json.loads('x')", RequestError, "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        ("open('absent')", WorkError, "FileNotFoundError: [Errno 2] No such file or directory: 'absent'"),
        ("raise Exception('URL fetch failure on x')", WorkError, "Exception: URL fetch failure on x"),
        ("raise RuntimeError('CUDA error: out of memory')", WorkError, "RuntimeError: CUDA error: out of memory"),
    ],
)
def test_an_exception_of_the_user_s_function_is_a_line_that_names_its_own(
    tmp_path: Path, code: str, kind: type[Exception], said: str
) -> None:
    """What may be gone in a later run is no failure of the model."""
    (tmp_path / "mine.py").write_text(f"def build(shape):\n    {code}\n")

    with pytest.raises(GristmillError) as raised:
        own().load([tmp_path / "mine.py"])("shape")

    assert type(raised.value) is kind
    assert unnumbered(raised.value) == f"build raised {said} (mine.py, line 2). Fix it."
    assert raised.value.__cause__  # which --debug shows


def test_an_exception_of_what_the_user_s_file_imports_names_that_file(tmp_path: Path) -> None:
    files = [tmp_path / "mine.py", tmp_path / "blocks.py"]
    files[0].write_text("import blocks\n\ndef build(shape):\n    return blocks.width(shape)\n")
    files[1].write_text("def width(shape):\n    return 1 / 0\n")

    with pytest.raises(RequestError, match=r"^width raised ZeroDivisionError: .* \(blocks\.py, line 2\)\. Fix it\.$"):
        own().load(files)("shape")
    files[1].write_text("SIZE = 1 / 0\n\n")
    with pytest.raises(
        RequestError, match=r"^the module raised ZeroDivisionError: .* \(blocks\.py, line 1\)\. Fix it\.$"
    ):
        own().load(files)
    files[1].write_text("raise MemoryError\n")
    with pytest.raises(MemoryError):
        own().load(files)
