"""Sources that are written to while a run reads them: nothing of it is kept under the old hash."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers.scoreboard import Fault
from helpers.small_projects import TOML, WRITERS
from helpers.support import Command, published, the_error

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("prefect_api"), pytest.mark.slow]

TRIED = list(WRITERS) if Fault.full else ["text", "vision"]


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("domain", "archive"), [(domain, False) for domain in TRIED] + [("vision", True)], ids=[*TRIED, "archive"]
)
def test_a_run_whose_source_is_written_to_meanwhile_fails_and_keeps_nothing(
    domain: str, archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, fault: Fault
) -> None:
    """Plain text, a table, lines of JSON, a folder of photos, or an archive of them."""
    (tmp_path / "pipelines.toml").write_text(TOML.replace('"photos"', f'"photos{".zip" * archive}"'))
    WRITERS[domain](tmp_path, 2)
    if archive:
        shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "photos")
    monkeypatch.chdir(tmp_path)
    ingest = importlib.import_module(f"gristmill.domains.{domain}.ingest")
    real, changed = ingest.ingest, []

    def slow(*, paths: tuple[Path, ...], **arguments: Any) -> dict[str, int]:
        counts: dict[str, int] = real(paths=paths, **arguments)
        paths[-1].write_bytes(paths[-1].read_bytes())  # each time, for the task tries again
        changed.append(paths[-1])
        return counts

    monkeypatch.setattr(ingest, "ingest", slow)

    message = the_error(command("run", domain))

    assert message == f"{changed[0]}: changed while it was read. Run again once nothing writes to it."
    assert published(tmp_path / "data/store", "ingest") == []
    fault.said(message)
