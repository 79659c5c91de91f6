"""The flows by names that lead to them from any folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.config import stages
from gristmill.prefect_runtime import entrypoints


@pytest.mark.parametrize("name", [*stages.DOMAINS, "retrain"])
def test_every_flow_is_found_under_its_name(name: str) -> None:
    from prefect.flows import load_flow_from_entrypoint

    flow = load_flow_from_entrypoint(f"gristmill.prefect_runtime.entrypoints.{name}")
    assert (flow.name, flow.fn.__module__) == (name, f"flows.{name}")
    assert flow.on_completion_hooks  # which tell of its end


def test_a_folder_with_packages_of_the_same_names_hides_no_flow(tmp_path: Path) -> None:
    for package in ("flows", "tasks"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('not this one')")
    code = (
        "import sys, gristmill.prefect_runtime.entrypoints as found\n"
        "print(sys.modules[found.timeseries.fn.__module__].__file__)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(ROOT / "flows/timeseries.py")


@pytest.mark.parametrize("name", ["_hidden", "__path__"])
def test_a_private_name_is_no_flow(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(entrypoints, name)
