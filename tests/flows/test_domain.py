"""The flow of a domain runs whatever domain is registered."""

from pathlib import Path

import pytest

from gristmill.config import catalogue
from gristmill.config.domains import DOMAINS
from gristmill.flows.domain import domain_flow
from gristmill.util.lazy import Lazy


@pytest.mark.usefixtures("prefect_api")
def test_a_small_domain_is_registered_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOMAINS, "word_counts", Lazy("helpers.word_counts:COUNTS"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poem.txt").write_text("the rose is a rose")
    (tmp_path / "pipelines.toml").write_text(
        '[pipelines.poem]\ndomain = "word_counts"\nsource = { kind = "files", path = "poem.txt" }\n'
        "ingest.shortest = 2\n"
    )

    run = domain_flow("gristmill.flows.word_counts", "Count words.")
    first, again, other = run("poem"), run("poem"), run("poem", overrides=["ingest.shortest=4"])

    assert [record["stages"]["ingest"]["cached"] for record in (first, again, other)] == [False, True, False]
    store = catalogue.load(tmp_path).store
    counts = [store.open_verified(one["stages"]["ingest"]["reference"]).counts for one in (again, other)]
    assert counts == [{"words": 4}, {"words": 2}]
    assert catalogue.load(tmp_path).pipeline("poem").domain == "word_counts"
