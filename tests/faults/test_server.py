"""Prefect's server lost in mid-run: the run says so and ends, and the next one goes on from the last finished stage."""

import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gristmill.runs.records import Runs
from gristmill.store.store import Store
from helpers.scoreboard import Fault
from helpers.servers import Server, serving, use, use_impatiently
from helpers.support import Forked, assert_all_whole, made, published, records, wait_until, with_model, write_project

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

TOML = with_model('kind = "held.py:build"', "epochs = 1")

HELD = '''
"""A network that waits to be built while a file is there."""
import time
from pathlib import Path


def build(shape):
    import keras

    Path("building").touch()
    while Path("hold").exists():
        time.sleep(0.1)
    window = keras.Input((shape.history, shape.columns))
    return keras.Model(window, keras.layers.Dense(shape.outputs)(shape.lags(window)))
'''

BOUND = 120  # seconds


@pytest.mark.fault(30)
def test_a_run_whose_server_is_held_or_killed_ends_naming_it_and_the_next_goes_on(
    project: Path, forked: Forked, fault: Fault, prefect_api: str
) -> None:
    write_project(project, TOML)
    (project / "held.py").write_text(HELD)
    losing = use if Fault.full else use_impatiently

    with serving(project / "prefect") as server:
        lose, here, elsewhere = partial(losing, server.api), partial(use, server.api), partial(use, prefect_api)
        words = ["-q", "run", "small"]
        fault.said(message_of_a_run_that_loses(server, signal.SIGSTOP, project, forked, words, lose))
        server.process.send_signal(signal.SIGCONT)
        assert_goes_on(project, forked, words, here)

        words += ["--set", "train.seed=7"]
        fault.said(message_of_a_run_that_loses(server, signal.SIGKILL, project, forked, words, lose))
        assert_goes_on(project, forked, words, elsewhere)
    fault.tried(2)


def message_of_a_run_that_loses(
    server: Server, harm: signal.Signals, project: Path, forked: Forked, words: list[str], first: Callable[[], None]
) -> str:
    """Send a server a signal while a run trains, wait for the run's end, and return the one line it says."""
    store, building, err = project / "data/store", project / "building", project / "err"
    trained = published(store, "train")
    building.unlink(missing_ok=True)
    (project / "hold").touch()
    process = forked.start(project, *words, first=first)
    wait_until(lambda: building.exists() or process.exitcode is not None, "a network to be built")
    server.process.send_signal(harm)

    process.join(BOUND)
    process.kill()  # should it still be there
    process.join()

    message = err.read_text()
    assert process.exitcode == 1, message
    err.unlink()
    assert_all_whole(store)
    assert published(store, "train") == trained
    lost = next(Runs(Store(store)).newest_first("small"))
    assert (lost.outcome, list(lost.stages)) == ("interrupted", ["ingest", "preprocess"])
    said = rf"error: Prefect's API at {server.api} was lost during the run \([^\n]+\)\. Run again: it resumes\.\n"
    assert re.fullmatch(said, message), message
    return message


def assert_goes_on(project: Path, forked: Forked, words: list[str], first: Callable[[], None]) -> None:
    """Assert that the next run does what the one before had left, and no more."""
    (project / "hold").unlink()
    assert forked.run(project, *words, first=first) == 0, (project / "err").read_text()
    last = records(project)[-1]
    assert (last.outcome, made(last)) == ("succeeded", {"train", "evaluate", "export"})
    (project / "err").unlink()
