"""Messages are sent once each: at the end of a run, after its process was killed, and when the receiver works again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ROOT
from gristmill.config.catalogue import Catalogue, load
from gristmill.errors import StoreError
from gristmill.notifications import delivery
from gristmill.notifications.delivery import deliver, expect_messages, messages_about
from gristmill.runs.records import Record, Runs
from helpers.servers import make_prefect_home
from helpers.support import edit, heard, said, wait_until
from helpers.webhook import SECRET, TABLE, Webhook

pytest_plugins = ["helpers.webhook"]

FAILED = "small: run failed"


@pytest.fixture
def catalogue(project: Path, webhook: Webhook) -> Catalogue:
    """The small project, whose messages go to the webhook."""
    with (project / "pipelines.toml").open("a") as file:
        file.write(TABLE)
    return load(project)


def failed_run(catalogue: Catalogue, error: str = "DataError: no rows", expected: bool = True) -> Record:
    runs = Runs(catalogue.store)
    run = runs.start(catalogue.pipeline("small"), [], {})
    if expected:
        expect_messages(catalogue.store, run, "run")
    return runs.finish("small", run.id, "failed", error=error)


def pending(catalogue: Catalogue) -> list[str]:
    return sorted(path.name for path in catalogue.store.root.glob("notifications/*/*") if path.name != "sent.json")


def test_a_message_is_sent_once(catalogue: Catalogue, webhook: Webhook) -> None:
    failed_run(catalogue, expected=False)  # from before the table was added
    assert deliver(catalogue)
    assert webhook.received == []

    run = failed_run(catalogue, "DataError: another")
    assert deliver(catalogue)
    assert deliver(catalogue)

    ((subject, body),) = webhook.received
    assert subject == FAILED
    assert body.splitlines() == [
        f"The run {run.id} failed after {run.seconds:,.1f} s.",
        "Error: DataError: another",
        "No version serves yet.",
        "Fix the cause and run again: gristmill run small",
        f"Details: gristmill show small --run {run.id}",
        f"Project {catalogue.root} on host {run.host}",
    ]
    assert pending(catalogue) == []


def test_a_run_without_messages_leaves_nothing(catalogue: Catalogue, webhook: Webhook) -> None:
    run = Runs(catalogue.store).start(catalogue.pipeline("small"), [], {})
    with messages_about(catalogue, run, None):  # with --set, or a trial
        Runs(catalogue.store).finish("small", run.id, "failed", error="any")
    assert not (catalogue.store.root / "notifications").exists()

    with messages_about(catalogue, run, "run"):
        assert pending(catalogue) == [run.id]
        Runs(catalogue.store).finish("small", run.id, "interrupted")
    assert (webhook.received, pending(catalogue)) == ([], [])


def test_a_receiver_that_refuses_is_tried_again_and_its_address_is_not_logged(
    catalogue: Catalogue, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    failed_run(catalogue)
    webhook.status = 403

    with heard(caplog), caplog.at_level("DEBUG"):
        assert not deliver(catalogue)
    assert said(caplog) == [
        "a message could not be sent and is kept. [notify] OPS_URL (JSON): HTTP status 403. Check it: "
        "gristmill doctor --notify."
    ]
    assert SECRET not in caplog.text

    webhook.status = 200
    failed_run(catalogue)  # the same error: one condition
    assert deliver(catalogue)
    assert (webhook.subjects, pending(catalogue)) == ([FAILED], [])


def test_what_was_sent_but_not_noted_is_sent_again(
    catalogue: Catalogue, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_run(catalogue)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "write_json", lambda *_: (_ for _ in ()).throw(StoreError("the disk is full")))
        assert not deliver(catalogue)
    assert deliver(catalogue)
    assert webhook.subjects == [FAILED, FAILED]


@pytest.mark.parametrize("content", ["{", "", "[]"])
def test_damaged_files_stop_no_other_message(catalogue: Catalogue, webhook: Webhook, content: str) -> None:
    lost = failed_run(catalogue)
    (catalogue.store.root / "runs/small" / f"{lost.id}.json").write_text(content)
    failed_run(catalogue, "DataError: another")
    (catalogue.store.root / "notifications/small/sent.json").write_text(content)

    assert deliver(catalogue)
    assert (webhook.subjects, pending(catalogue)) == ([FAILED], [])


KILLED = """
import os, sys, time
from pathlib import Path
from gristmill.config.catalogue import load
from gristmill.notifications.delivery import messages_about
from gristmill.runs.records import Runs

catalogue = load(Path(sys.argv[1]))
if catalogue.notify.block:  # in the database of a temporary server, which ends with this process
    from gristmill.prefect_runtime.server import ensure_api
    ensure_api()
    from prefect.blocks.notifications import SlackWebhook
    SlackWebhook(url=os.environ["OPS_URL"]).save("ops")
run = Runs(catalogue.store).start(catalogue.pipeline("small"), [], {})
with messages_about(catalogue, run, "run"):
    print(run.id, flush=True)
    time.sleep(600)
"""


@contextmanager
def run_to_kill(project: Path) -> Iterator[str]:
    """Start a process with a run, yield the run's ID, and kill the process."""
    line = [sys.executable, "-P", "-c", KILLED, str(project)]
    environment = os.environ | {"PREFECT_HOME": str(make_prefect_home(project / "prefect")), "PYTHONPATH": str(ROOT)}
    environment.pop("PREFECT_API_URL", None)
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_told_once(catalogue: Catalogue, webhook: Webhook, project: Path) -> None:
    with run_to_kill(project) as run:
        webhook.status = 503  # for the first attempt
    wait_until(lambda: webhook.refused == 1, "the first attempt", 60)
    webhook.status = 200
    wait_until(lambda: pending(catalogue) == [], "the second attempt", 60)

    deliver(catalogue)
    ((subject, body),) = webhook.received
    assert subject == "small: run killed"
    assert f"--run {run}\n" in body


@pytest.mark.slow
def test_a_block_is_found_after_the_temporary_server_of_the_run_was_killed(
    catalogue: Catalogue, webhook: Webhook, project: Path
) -> None:
    edit(project / "pipelines.toml", 'url_env = "OPS_URL"', 'block = "slack-webhook/ops"')
    with run_to_kill(project):
        pass
    wait_until(lambda: webhook.subjects == ["small: run killed"], "the message", 60)
    wait_until(lambda: pending(catalogue) == [], "its note", 60)
