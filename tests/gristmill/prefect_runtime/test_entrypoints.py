"""The flows by names that lead to them from any folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.config.domains import DOMAINS
from gristmill.prefect_runtime import entrypoints


@pytest.mark.parametrize("name", [*DOMAINS, "retrain"])
def test_every_flow_is_found_under_its_name(name: str) -> None:
    from prefect.flows import load_flow_from_entrypoint

    flow = load_flow_from_entrypoint(f"gristmill.prefect_runtime.entrypoints.{name}")
    assert (flow.name, flow.fn.__module__) == (name, f"gristmill.flows.{name}")
    assert flow.on_completion_hooks  # which tell of its end


@pytest.mark.slow
def test_flows_load_no_numpy_and_leave_packages_of_the_same_names_to_the_user(tmp_path: Path) -> None:
    """NumPy reads its number of threads when it is loaded, and a run sets it later than its flow is loaded."""
    for package in ("flows", "tasks"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    names = [*DOMAINS, "retrain"]
    code = (
        "import sys, gristmill.prefect_runtime.entrypoints as found\n"
        f"ours = [getattr(found, name) for name in {names}]\n"
        "print(*(sys.modules[flow.fn.__module__].__file__ for flow in ours), 'numpy' in sys.modules)\n"
        "import flows, tasks\n"
        "print(flows.__file__, tasks.__file__)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours, users = found.stdout.splitlines()
    assert ours.split() == [*(f"{ROOT}/gristmill/flows/{name}.py" for name in names), "False"]
    assert users.split() == [f"{tmp_path}/flows/__init__.py", f"{tmp_path}/tasks/__init__.py"]


@pytest.mark.parametrize("name", ["_hidden", "__path__"])
def test_a_private_name_is_no_flow(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(entrypoints, name)
