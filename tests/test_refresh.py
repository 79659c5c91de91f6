"""A source at a URL that grows: runs see what came, and a server that is not there costs nothing."""

import functools
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from conftest import ONE_BASELINE, ROOT
from gristmill.project.project import Project
from helpers.support import records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

ROWS = (ROOT / "data/samples/sunspots.csv").read_text().splitlines()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A server of the project's folder, from which its pipeline reads the series."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(project))) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f'path = "http://127.0.0.1:{server.server_port}/series.csv"\nrefresh = true'
        assert 'path = "series.csv"' in ONE_BASELINE
        (project / "pipelines.toml").write_text(ONE_BASELINE.replace('path = "series.csv"', url))
        yield server
        server.shutdown()


def write_months(project: Path, months: int) -> None:
    (project / "series.csv").write_text("\n".join(ROWS[: months + 1]) + "\n")


@pytest.mark.slow
def test_runs_and_retrainings_follow_a_url_that_grows(project: Path, server: ThreadingHTTPServer, command: Any) -> None:
    assert command("run", "small").status == 0
    assert "nothing to do" in command("run", "small").out
    command("promote", "small")
    write_months(project, 340)
    assert command("retrain", "small").status in (0, 3)
    retraining = records(project)[-1].retraining
    assert retraining is not None
    assert retraining.news.later == 40
    assert "nothing new" in command("retrain", "small").out

    server.shutdown()
    server.server_close()
    for words in (("run", "small"), ("retrain", "small")):
        refused = command(*words)
        assert refused.status == 1
        assert "/series.csv: no connection (" in refused.err
    assert records(project)[-1].outcome == "failed"
    predicted = command("predict", "small")
    assert predicted.status == 0
    assert "Predicting from the data that run" in predicted.err
    assert Project.open().champion("small") is not None
