"""What a user's own code imports from elsewhere is found without importing it; its versions and edits count."""

import json
import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from gristmill.config.catalogue import load
from gristmill.config.stages import stages_of
from gristmill.runs.identity import resolve_inputs
from gristmill.settings.custom_code import CustomCode
from gristmill.store.code_closure import PackageCode
from gristmill.store.imported_code import NO_IMPORTS, Imported, read_imported

TOML = """
[pipelines.mine]
domain = "timeseries"
source = { kind = "csv", path = "series.csv" }
ingest = { time = "ds", target = "y" }
preprocess = { history = 4 }
model = { kind = "networks/mine.py:build" }
backtest = { windows = 1 }
export = { refit = true }
"""
TRAININGS = {"train", "backtest 1/1", "refit"}  # the stages that run the model's code

Importing = Callable[[str], Imported]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Python finds packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an own model, whose file is still empty."""
    folder = tmp_path / "project"
    (folder / "networks").mkdir(parents=True)
    (folder / "pipelines.toml").write_text(TOML)
    (folder / "series.csv").write_text("ds,y\n")
    (folder / "networks/mine.py").write_text("")
    return folder


@pytest.fixture
def importing(project: Path) -> Importing:
    """Return what an own file with some source imports from elsewhere."""

    def read(source: str) -> Imported:
        (project / "networks/mine.py").write_text(source)
        catalogue = load(project)
        return read_imported(project, catalogue.pipeline("mine").tables.values(), catalogue.store.memo)

    return read


def write(folder: Path, **sources: str) -> Path:
    """Write a package of these modules, its own as `__init__`."""
    for name, source in ({"__init__": ""} | sources).items():
        file = folder.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return folder


def install(home: Path, name: str, version: str, *files: str, origin: object = None) -> Path:
    """Write the metadata of a distribution that has installed these files."""
    folder = home / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    return folder


def keys(project: Path) -> dict[str, str]:
    """Return the key of every stage, of which each reads the same."""
    catalogue = load(project)
    pipeline = catalogue.pipeline("mine")
    return {
        stage.label: resolve_inputs(catalogue, pipeline, stage, dict.fromkeys(stage.inputs, "0")).identity.key
        for stage in stages_of(pipeline.domain, pipeline.tables)
    }


def test_without_own_code_nothing_is_looked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = TOML.replace("networks/mine.py:build", "linear")
    (project / "pipelines.toml").write_text(toml)
    catalogue = load(project)
    monkeypatch.setattr("importlib.util.find_spec", None)

    assert read_imported(project, catalogue.pipeline("mine").tables.values(), catalogue.store.memo) is NO_IMPORTS


def test_a_file_that_is_not_there_imports_nothing(project: Path, importing: Importing) -> None:
    (project / "networks/mine.py").unlink()
    table = CustomCode.model_validate({"kind": "networks/mine.py:build"})

    assert read_imported(project, [table], load(project).store.memo) is NO_IMPORTS


@pytest.mark.parametrize(
    "source",
    [
        "from gristmill.util.chunking import inside",
        "from gristmill.util import chunking",
        "import gristmill.util.chunking as s",
        "def build(shape):\n    from gristmill.util.chunking import inside\n",
        "try:\n    import gristmill.util.chunking\nexcept ImportError:\n    pass\n",
    ],
)
def test_modules_of_gristmill_are_found_wherever_they_are_imported(importing: Importing, source: str) -> None:
    found = importing(source)

    assert "gristmill.util.chunking" in found.modules
    assert (found.libraries, found.code) == ({}, {})


def test_the_standard_library_and_what_is_not_installed_are_left_out(importing: Importing) -> None:
    assert (
        importing("import os, json.decoder\ntry:\n    import no_such_package.at_all\nexcept ImportError: ...")
        == NO_IMPORTS
    )


def test_an_installed_package_counts_by_its_version(importing: Importing, packages: Path) -> None:
    write(packages / "some_layers", near="import far", far="")
    files = [f"some_layers/{name}.py" for name in ("__init__", "near", "far")]
    metadata = install(packages, "Some.Layers", "1.5", *files)

    found = importing("from some_layers.near import Dense")

    assert (found.libraries, found.code) == ({"some-layers": "1.5"}, {})
    (packages / "some_layers/near.py").write_text("edited = True")
    assert importing("from some_layers.near import Dense").libraries == found.libraries
    for file in metadata.iterdir():
        file.unlink()
    metadata.rmdir()
    install(packages, "Some.Layers", "1.6", *files)
    assert importing("import some_layers").libraries == {"some-layers": "1.6"}


def test_a_library_of_gristmill_s_own_is_found_by_another_name_than_it_is_imported_by(importing: Importing) -> None:
    found = importing("import numpy as np\nfrom PIL import Image\nimport keras")

    assert set(found.libraries) == {"keras", "numpy", "pillow"}
    assert found.code == {}


@pytest.mark.fault(33)
def test_of_a_package_without_a_version_every_file_that_is_reached_counts(importing: Importing, packages: Path) -> None:
    source = "from some_layers.deep.near import f"
    package = write(
        packages / "some_layers",
        **{"deep.__init__": "", "deep.near": "from .. import far", "far": "def f():\n    import json\n", "unused": ""},
    )
    before = importing(source)

    assert list(before.code) == [
        "some_layers/__init__.py",
        "some_layers/deep/__init__.py",
        "some_layers/deep/near.py",
        "some_layers/far.py",
    ]
    assert before.libraries == {}
    (package / "far.py").write_text("def f():\n    import json  # a comment\n")
    (package / "unused.py").write_text("x = 1\n")
    assert importing(source) == before
    (package / "far.py").write_text("def f():\n    return 1\n")
    after = importing(source).code
    assert [name for name in after if after[name] != before.code[name]] == ["some_layers/far.py"]


def test_a_package_without_a_version_is_followed_to_what_it_imports(importing: Importing, packages: Path) -> None:
    source = "import other_tools\nfrom gristmill.util import chunking\nimport installed"
    write(packages / "some_layers", __init__=source)
    (packages / "other_tools.py").write_text("")
    (packages / "installed.py").write_text("")
    install(packages, "installed", "2.0", "installed.py")

    found = importing("import some_layers")

    assert set(found.code) == {"some_layers/__init__.py", "other_tools.py"}
    assert found.libraries == {"installed": "2.0"}
    assert "gristmill.util.chunking" in found.modules


@pytest.mark.fault(33)
@pytest.mark.parametrize(
    ("origin", "says"),
    [
        pytest.param({"url": "file:///src", "dir_info": {"editable": True}}, False, id="editable"),
        pytest.param({"url": "file:///src", "dir_info": {}}, False, id="folder"),
        pytest.param({"url": "https://host/a.git", "vcs_info": {"vcs": "git", "commit_id": "a1"}}, False, id="git"),
        pytest.param({"url": "https://host/a-1.5.whl", "archive_info": {}}, True, id="wheel"),
    ],
)
def test_a_package_that_may_change_under_one_version_counts_by_its_files(
    importing: Importing, packages: Path, origin: object, says: bool
) -> None:
    write(packages / "some_layers")
    install(packages, "some-layers", "1.5", "some_layers/__init__.py", origin=origin)

    found = importing("import some_layers")

    assert (dict(found.libraries), set(found.code)) == (
        ({"some-layers": "1.5"}, set()) if says else ({}, {"some_layers/__init__.py"})
    )


@pytest.mark.fault(33)
def test_an_editable_package_that_a_path_file_adds_counts_by_its_files(
    importing: Importing, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata lies where packages are installed, and it lies elsewhere."""
    write(tmp_path / "src/some_layers")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    install(packages, "some-layers", "1.5", "_editable_impl_some_layers.pth")

    found = importing("import some_layers")

    assert (found.libraries, set(found.code)) == ({}, {"some_layers/__init__.py"})


@pytest.mark.fault(33)
def test_an_editable_package_that_a_finder_adds_counts_by_its_files_under_its_name(
    importing: Importing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As setuptools installs one; its folder may have another name."""
    folder = write(tmp_path / "src/code", __init__="from .near import f", near="")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return spec_from_file_location(name, folder / "__init__.py") if name == "some_layers" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])

    assert set(importing("import some_layers").code) == {"some_layers/__init__.py", "some_layers/near.py"}


def test_what_lies_beside_the_file_is_not_sought_elsewhere(
    importing: Importing, packages: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(packages / "some_layers", near="")
    write(project / "networks/some_layers")
    monkeypatch.syspath_prepend(str(project / "networks"))  # as where the file lies in the current folder
    (project / "networks/parts").mkdir()
    (project / "networks/parts/sizes.py").write_text("")

    assert importing("import some_layers.near\nimport parts.sizes") == NO_IMPORTS


def test_a_folder_without_init_beside_the_file_does_not_hide_a_package(
    importing: Importing, packages: Path, project: Path
) -> None:
    """Nor does it in Python."""
    write(packages / "some_layers", near="")
    (project / "networks/some_layers").mkdir()

    assert set(importing("import some_layers.near").code) == {"some_layers/__init__.py", "some_layers/near.py"}


def test_of_distributions_that_share_a_namespace_the_one_that_is_imported_counts(
    importing: Importing, packages: Path
) -> None:
    for name in ("one", "two", "two.inner"):
        write(packages / f"shared/{name.replace('.', '/')}")
    install(packages, "shared-one", "1.0", "shared/one/__init__.py")
    install(packages, "shared-two", "2.0", "shared/two/__init__.py", "shared/two/inner/__init__.py")

    assert importing("from shared.two.inner import f").libraries == {"shared-two": "2.0"}
    assert importing("from shared import one").libraries == {"shared-one": "1.0"}
    assert importing("import shared") == NO_IMPORTS


def test_what_a_failed_upgrade_left_does_not_count(importing: Importing, packages: Path) -> None:
    write(packages / "layers_of_mine")
    install(packages, "layers-of-mine", "1.5", "layers_of_mine/__init__.py")
    install(packages, "layers-of-mine", "1.4", "layers_of_mine/__init__.py").rename(
        packages / "~ayers_of_mine-1.4.dist-info"
    )

    assert importing("import layers_of_mine").libraries == {"layers-of-mine": "1.5"}


def test_a_compiled_module_without_a_version_counts_by_its_bytes(importing: Importing, packages: Path) -> None:
    file = packages / f"fast_layers{EXTENSION_SUFFIXES[0]}"
    (packages / "fast_layers.py").write_text("")  # which Python passes over for the compiled one
    file.write_bytes(b"\x7fELF\0one")
    before = importing("import fast_layers").code
    file.write_bytes(b"\x7fELF\0two")

    assert list(before) == [file.name]
    assert importing("import fast_layers").code != before


def test_a_module_that_a_program_has_made_is_left_out(importing: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "made_up", ModuleType("made_up"))

    assert importing("import made_up") == NO_IMPORTS


def test_nothing_is_imported(importing: Importing, packages: Path) -> None:
    write(packages / "some_layers", __init__="raise RuntimeError", near="raise RuntimeError")
    before = set(sys.modules)

    assert importing("import some_layers.near").code
    assert set(sys.modules) == before


def test_metadata_is_read_once_as_long_as_it_stands(
    importing: Importing, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.util.files.MIN_AGE_NS", 0)
    read: list[str] = []

    def note(folder: Path) -> list[str]:
        read.append(folder.name)
        return ["some_layers"]

    monkeypatch.setattr("gristmill.store.imported_code._top_levels", note)
    write(packages / "some_layers")
    install(packages, "some-layers", "1.5", "some_layers/__init__.py")

    found = [importing("import some_layers").libraries for _ in range(2)]

    assert found == [{"some-layers": "1.5"}] * 2
    assert read == ["some_layers-1.5.dist-info"]


@pytest.mark.fault(33)
@pytest.mark.parametrize("change", ["edit", "version", "module"])
def test_a_change_of_what_is_imported_changes_the_keys_of_the_trainings_alone(
    project: Path, packages: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    write(packages / "some_layers", near="x = 1\n")
    write(packages / "installed", unused="")
    metadata = install(packages, "installed", "1.0", "installed/__init__.py")
    (project / "networks/mine.py").write_text(
        "import installed, some_layers.near\nfrom gristmill.domains.text import layers\n"
    )
    before = keys(project)
    assert keys(project) == before
    if change == "edit":
        (packages / "some_layers/near.py").write_text("x = 2\n")
    elif change == "version":
        (metadata / "METADATA").write_text((metadata / "METADATA").read_text().replace("1.0", "1.1"))
    else:
        modules = PackageCode(load(project).store.memo).modules()
        edited = modules | {
            "gristmill.domains.text.layers": type(modules["gristmill.domains.text.layers"])("00", frozenset())
        }
        monkeypatch.setattr(PackageCode, "modules", lambda code, starts: edited)

    after = keys(project)

    assert {label for label in before if after[label] != before[label]} == TRAININGS


@pytest.mark.parametrize("name", ["gristmill.config.catalogue", "gristmill.domains.timeseries.settings"])
def test_a_module_that_no_stage_s_code_counts_counts_where_own_code_imports_it(project: Path, name: str) -> None:
    (project / "networks/mine.py").write_text(f"import {name}\n")
    catalogue = load(project)
    pipeline = catalogue.pipeline("mine")
    code = {
        stage.label: resolve_inputs(catalogue, pipeline, stage, {}).identity.parts["code"]
        for stage in stages_of(pipeline.domain, pipeline.tables)
    }

    assert {label for label, modules in code.items() if name in modules} == TRAININGS
