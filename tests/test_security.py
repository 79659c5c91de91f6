"""What the page on security says and no other test shows: the limits by number, the modes of files, cells of a CSV."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT
from gristmill.domains.text.settings import Ingest as Texts
from gristmill.domains.vision.settings import Ingest as Photos
from gristmill.sources import archives, file_content
from gristmill.sources.images import arrays
from gristmill.sources.tables import csv
from gristmill.store import downloads
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]

GIB, MIB = 1 << 30, 1 << 20
RATIO = file_content.MAX_RATIO
LIMITS = [
    f"ends after {downloads._TIMEOUT:.0f} seconds without a byte, after {downloads._MAX_SECONDS / 3600:.0f} hours, or "
    f"after {downloads._MAX_BYTES // GIB} GiB",
    f"follows at most {downloads._MAX_REDIRECTS} redirects",
    f"`ingest.max_pixels`, {Photos.model_fields['max_pixels'].default // 10**6} million",
    f"members of more than {archives.MAX_MEMBER_BYTES // MIB} MiB",
    f"more than {archives.ALWAYS_ALLOWED // GIB} GiB unpacked and more than {RATIO} times its size",
    f"more than {file_content.ALWAYS_ALLOWED // MIB} MiB unpacked and more than {RATIO} times its size",
    f"pickled; more than {arrays.MAX_ARRAY_BYTES // GIB} GiB",
    f"more than {csv.MAX_CELL_LENGTH:,} characters",
    f"`ingest.max_characters`, {Texts.model_fields['max_characters'].default // 10**6} million",
]


@pytest.mark.parametrize("limit", LIMITS)
def test_the_page_names_the_limits_as_they_are(limit: str) -> None:
    page = (ROOT / "docs/explanation/security.md").read_text()
    assert limit in page


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_have_the_modes_that_the_umask_gives(finished: Path, command: Command, umask: int) -> None:
    """Also those that are first written aside; not a bundle's, which are links to the artifact's."""
    assert command("promote", "small").status == 0
    registry = finished / "data/store/registry/small"
    for folder in (registry, registry / "versions", registry / "promotions", registry / "bundles"):
        assert folder.stat().st_mode & 0o777 == 0o777 & ~umask
        for file in folder.glob("*.json"):
            assert file.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "plain"])
def test_a_cell_is_written_as_the_data_has_it(
    finished: Path, command: Command, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pd.DataFrame({"id": [text], "probability": [-0.5]})
    monkeypatch.setattr("gristmill.project.project.Project.predict", lambda *_, **__: made)
    assert command("predict", "small", "--output", "out.csv").status == 0
    assert (finished / "out.csv").read_text() == f"id,probability\n{text},-0.5\n"
