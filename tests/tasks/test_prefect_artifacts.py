"""A link to the report of a deployed run: only for new scores, and an error does not fail the run."""

import socket
from pathlib import Path

import pytest

from gristmill.errors import StoreError
from gristmill.runs.records import Record, StageRecord
from gristmill.store.store import Store
from gristmill.tasks import prefect_artifacts as module


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The URLs or texts, and the keys, of the artifacts that are created; nothing is rendered."""
    created: list[tuple[str, str]] = []
    monkeypatch.setattr(module, "write_report", lambda record, description, store: store.root / "reports/a_b.html")
    monkeypatch.setattr(
        module, "create_link_artifact", lambda link, text, key, description: created.append((link, key))
    )
    monkeypatch.setattr(module, "create_markdown_artifact", lambda text, key, description: created.append((text, key)))
    return created


def evaluated(cached: bool) -> Record:
    stage = StageRecord(reference={"stage": "evaluate", "key": "k", "digest": "d"}, cached=cached, seconds=1)
    return Record.model_construct(pipeline="a_b", stages={"evaluate": stage})


def test_new_scores_lead_to_the_path_of_the_report(links: list[tuple[str, str]], tmp_path: Path) -> None:
    store = Store(tmp_path)
    module.link_report(evaluated(cached=True), "", store)
    module.link_report(Record.model_construct(pipeline="a_b", stages={}), "", store)
    assert links == []
    module.link_report(evaluated(cached=False), "", store)
    assert links == [(f"report on a_b on {socket.gethostname()}: `{tmp_path}/reports/a_b.html`", "a-b-report")]


def test_a_report_that_cannot_be_rendered_is_logged(
    links: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> Path:
        raise StoreError("the disk is full.")

    monkeypatch.setattr(module, "write_report", fails)
    module.link_report(evaluated(cached=False), "", Store(tmp_path))
    assert caplog.messages == ["the disk is full. The report was not rendered."]
    assert links == []
