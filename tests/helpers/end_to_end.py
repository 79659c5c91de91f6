"""Fixtures of the end-to-end tests, a plugin that their modules name: a finished run, the command in this process."""

import logging
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from gristmill.cli.app import main
from gristmill.export import bundle
from gristmill.export.formats import FORMATS, Predictor, load_keras
from gristmill.keys import digest_of_file
from helpers import finished_projects
from helpers.support import WITH_REPORT, Command, Forked, Said, here, leave_blank

_PREDICTORS: dict[str, Predictor] = {}  # by the digest of a file


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Run the command in this process: its `main`, words and all, up to the exit."""
    handler = signal.getsignal(signal.SIGTERM)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of the many networks of one test process

    monkeypatch.setattr("gristmill.cli.app.on_api_lost", lambda _: None)  # which would end this process
    monkeypatch.setitem(FORMATS, "keras", replace(FORMATS["keras"], load=load_once))
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)  # as it was, afterwards

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["gristmill", *words])
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            if WITH_REPORT & {*words}:
                patch.setattr(Figure, "savefig", leave_blank)
            with pytest.raises(SystemExit) as ended:
                main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, handler)


def load_once(path: Path) -> Predictor:
    """Return the predictor of a Keras file; copies share one, because to load and compile a network takes longest."""
    digest = digest_of_file(path)
    if digest not in _PREDICTORS:
        _PREDICTORS[digest] = load_keras(path)
    return _PREDICTORS[digest]


@pytest.fixture(scope="session")
def finished_project(prefect_api: str) -> Callable[[str], Path]:
    """Return a function that gives the finished project of a domain. It must not be written to: copy it."""
    return partial(finished_projects.find_or_build, api=prefect_api)


@pytest.fixture(scope="session")
def finished_store(finished_project: Callable[[str], Path]) -> Path:
    """Return the store of one finished run of the small pipeline. It must not be written to: copy it."""
    return finished_project("timeseries") / "data/store"


@pytest.fixture
def finished(project: Path, finished_store: Path) -> Path:
    """Return the small project with a finished run in its store; the current folder of the test."""
    shutil.copytree(finished_store, project / "data/store", symlinks=True)
    return project


@pytest.fixture(scope="module")
def parity_here() -> Iterator[None]:
    """Have export reload its models in this process: the fresh one it starts takes seconds, and has its own tests."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        yield


@pytest.fixture(scope="session")
def forked(prefect_api: str) -> Forked:
    """The command in processes of its own that start at once."""
    return Forked(prefect_api)
