"""What tests share: a small project on real data, one Prefect server for the session, the command as a process."""

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import absl.logging
import pytest
from hypothesis import HealthCheck, settings

from helpers.eager import eagerly
from helpers.scoreboard import Scoreboard, fault

__all__ = ["fault"]  # a fixture

# No test depends on how fast the machine is.
settings.register_profile("gristmill", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gristmill")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# Before anything imports NumPy, Keras or Prefect.
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as gristmill sets it; NumPy is imported here before a project is opened
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
for _name in ("GRISTMILL_CACHE", "GRISTMILL_DATA", "GRISTMILL_STORE", "PREFECT_API_URL"):
    os.environ.pop(_name, None)

SMALL = """
[pipelines.small]
domain = "timeseries"
description = "A few years of sunspots"

[pipelines.small.source]
kind = "csv"
path = "series.csv"

[pipelines.small.ingest]
time = "month"
target = "sunspots"

[pipelines.small.preprocess]
history = 12
horizon = 2
validation = 40
test = 40

[pipelines.small.model]
kind = "linear"

[pipelines.small.evaluate]
baselines = ["naive", "drift", "moving_average", "ets", { kind = "autoregression", order = 3 }]

[pipelines.small.export]
formats = ["keras"]
"""
"""A pipeline that runs in seconds: 300 months of real sunspots, a model in closed form, one format."""


ONE_BASELINE = re.sub("baselines = .*", 'baselines = ["naive"]', SMALL)
"""The same with the naive forecast alone, so that a weak first model is promoted."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that prints the results of faults as a table."""
    parser.addoption("--scoreboard", action="store_true", help="print the results of each fault (with -m fault)")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the scoreboard where it is asked for; collect no garbage while tests are collected, for they stay."""
    gc.disable()
    # Prefect closes all logging handlers when it is imported, and the one of absl, which TensorFlow brings, then closes
    # its stream unless that is the process's own. Created here, it would otherwise hold the one that pytest captures.
    absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)
    if config.getoption("--scoreboard"):
        config.pluginmanager.register(Scoreboard())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs the real data where it is not beside the checkout."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason=f"needs the real data sets in {SHARED}, which are not there"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare the process for the tests that were selected."""
    gc.freeze()
    gc.enable()
    if any("prefect_api" in getattr(item, "fixturenames", ()) for item in session.items):
        import prefect.main  # noqa: F401  # replaces the root logger's handlers: not while a test captures logs


@pytest.fixture(scope="module", autouse=True)
def _frozen_heap() -> None:
    """Exempt what is alive by now from garbage collection, which Keras triggers for every network.

    The fixtures of earlier modules are torn down by now. What else those modules leave behind is mostly TensorFlow's,
    and takes longer to look through with every network.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one small pipeline and its data; the current folder of the test."""
    lines = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()
    (tmp_path / "series.csv").write_text("\n".join(lines[:301]) + "\n")
    (tmp_path / "pipelines.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def eager() -> Iterator[None]:
    """Run the functions of a test without tracing them; others test what they do when they are compiled."""
    with eagerly():
        yield


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a Prefect server on loopback, with its own database, for the whole session."""
    from gristmill.prefect_runtime.server import ensure_api
    from helpers.servers import make_prefect_home

    os.environ["PREFECT_HOME"] = str(make_prefect_home(tmp_path_factory.mktemp("prefect")))

    return ensure_api()


@pytest.fixture
def gristmill(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in a process of its own, in the project; `api` names a running Prefect server."""

    def call(
        *words: str, api: str | None = None, code: Path = ROOT, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(code)} | ({"PREFECT_API_URL": api} if api else {}) | variables
        command = [sys.executable, "-m", "gristmill", *words]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return call
