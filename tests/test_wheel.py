"""Contents of the distributions, and the command installed from the wheel."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from conftest import ROOT

pytest_plugins = ["helpers.end_to_end"]

Gristmill = Callable[..., subprocess.CompletedProcess[str]]


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a checkout or of an unpacked source distribution in a folder."""
    wheels = pytest.importorskip("hatchling.builders.wheel", reason="hatchling, the build backend, is not installed")
    (wheel,) = wheels.WheelBuilder(str(source)).build(directory=str(folder))
    return Path(wheel)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """The content of the wheel in a folder, as an installer would lay it out."""
    with ZipFile(wheel) as content:
        content.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def test_the_wheel_holds_one_package_and_nothing_else(unpacked: Path) -> None:
    tracked = {
        path.relative_to(ROOT)
        for folder in ("gristmill", "gristmill/flows", "gristmill/tasks")  # the latter are links
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()}

    assert {path for path in shipped if not path.parts[0].endswith(".dist-info")} == tracked
    assert Path("gristmill/reports/templates/report.html") in shipped
    assert Path("gristmill/py.typed") in shipped
    (metadata,) = unpacked.glob("*.dist-info")
    files = [line.partition(",")[0] for line in (metadata / "RECORD").read_text().splitlines()]
    assert {Path(file).parts[0] for file in files} == {"gristmill", metadata.name}
    assert "gristmill = gristmill.__main__:main" in (metadata / "entry_points.txt").read_text()
    assert (metadata / "licenses/LICENSE").is_file()


@pytest.mark.slow
def test_the_source_distribution_holds_what_its_tests_and_its_documentation_read_and_builds_the_same_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    sdists = pytest.importorskip("hatchling.builders.sdist", reason="hatchling, the build backend, is not installed")
    (archive,) = sdists.SdistBuilder(str(ROOT)).build(directory=str(tmp_path))
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()

    needed = ["Makefile", "README.md", "CHANGELOG.md", "LICENSE", "pipelines.toml", "prefect.yaml"]
    needed += [path for folder in ("tests", "docs", "benchmarks", "data/samples") for path in written(folder)]
    assert [path for path in needed if not (unpacked / path).is_file()] == []
    assert not [path for path in (".venv", "data/store", "docs/_build") if (unpacked / path).exists()]
    assert build_wheel(unpacked, tmp_path).read_bytes() == wheel.read_bytes()


def written(folder: str) -> list[str]:
    """Return the files of a folder that were written, neither built nor downloaded."""
    found = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    made = {"__pycache__", "_build", ".venv"}
    return [
        path.as_posix()
        for path in found
        if not made & {*path.parts} and not path.is_relative_to("benchmarks/competitions/data")
    ]


@pytest.mark.slow
def test_the_command_works_from_the_wheel_on_what_the_checkout_made(
    unpacked: Path, finished: Path, gristmill: Gristmill
) -> None:
    where = subprocess.run(
        [
            sys.executable,
            "-c",
            "import gristmill.flows, gristmill.tasks; print(gristmill.flows.__file__, gristmill.tasks.__file__)",
        ],
        cwd=finished,
        env={"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [Path(file).parent.parent for file in where.stdout.split()] == [unpacked / "gristmill"] * 2

    plan = gristmill("plan", "small", code=unpacked)
    report = gristmill("report", "small", code=unpacked)

    assert (plan.returncode, plan.stdout, plan.stderr) == (0, "small: all fresh, nothing to do\n", "")
    assert (report.returncode, report.stderr) == (0, "report     started\n")
    assert "A few years of sunspots" in Path(report.stdout.strip()).read_text()


@pytest.mark.slow
def test_a_first_project_comes_from_the_wheel_alone(unpacked: Path, project: Path, gristmill: Gristmill) -> None:
    nile = "package://statsmodels/datasets/nile/nile.csv"
    init = gristmill("init", "river", "--domain", "timeseries", "--data", nile, code=unpacked)

    assert (init.returncode, init.stderr) == (0, "")
    assert init.stdout.endswith("next     cd river && gristmill run nile\n")
    assert f'path = "{nile}"' in (project / "river/pipelines.toml").read_text()
