"""The retrain flow on what is no series: rows of a table, texts, photos, and a text that grows."""

import re
from pathlib import Path

import pandas as pd
import pytest

from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import DataChanges
from helpers.small_projects import TOML, WRITERS

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

RULES = """
[pipelines.{domain}.gate]
window = 4

[pipelines.{domain}.schedule]
min_new = 2
"""


@pytest.mark.fault(23)
@pytest.mark.fault(21)
@pytest.mark.parametrize("domain", WRITERS)
def test_a_model_of_examples_is_kept_fresh(domain: str, tmp_path: Path) -> None:
    from gristmill.flows.retrain import retrain

    def retrained(*overrides: str) -> Record:
        return Record.model_validate(retrain(domain, list(overrides), str(tmp_path)))

    def told(record: Record) -> tuple[str | None, str]:
        assert record.retraining is not None
        return record.retraining.verdict, record.retraining.why

    one_format = '[pipelines.tabular.export]\nformats = ["keras"]\n'
    (tmp_path / "pipelines.toml").write_text(TOML + RULES.format(domain=domain) + one_format)
    registry = Registry(Project.open(tmp_path).catalogue.store)
    WRITERS[domain](tmp_path, 2)
    first_waits = retrained("gate.window=50")  # a first model needs as many judged rows as any other
    assert told(first_waits)[0] == "waiting"
    assert list(first_waits.stages) == ["ingest", "preprocess"]

    weak = Project.open(tmp_path, {domain: ["train.learning_rate=1e-9"]})  # most networks are better
    first = weak.run(domain).record
    weak.promote(domain)

    assert list(first.stages) == ["ingest", "preprocess", "train", "evaluate", "export"]
    champion = registry.champion(domain)
    assert champion is not None
    assert (champion.number, champion.references) == (1, first.references)
    assert told(retrained()) == ("nothing new", "0 rows that no retraining has judged, fewer than 2")

    WRITERS[domain](tmp_path, 3)
    waiting = retrained("gate.window=21")
    assert told(waiting)[0] == "waiting"
    assert waiting.retraining is not None
    assert waiting.retraining.news == DataChanges(later=20)
    assert waiting.retraining.drift is not None
    assert waiting.retraining.drift.errors is not None
    assert waiting.retraining.drift.errors.count == (1 if domain == "generation" else 20)  # piece of 500 characters
    untrained = retrained("gate.window=20")
    assert told(untrained)[0] == "waiting"
    assert re.fullmatch(
        r"only \d+ rows of the test set are unknown to .*; gate\.window requires 20\. .*", told(untrained)[1]
    )
    assert list(untrained.stages) == ["ingest", "preprocess"]

    rejected = retrained("gate.margin=0.999")
    judged = retrained()

    assert told(rejected)[0] == "rejected"
    assert "export" not in rejected.stages
    assert judged.retraining is not None
    assert judged.retraining.judgement is not None
    scores = judged.retraining.judgement.scores
    assert {"challenger", "champion"} < set(scores)
    better = scores["challenger"] < scores["champion"]
    assert told(judged)[0] == ("promoted" if better else "rejected")
    champion = registry.champion(domain)
    assert champion is not None
    assert champion.number == (2 if better else 1)
    assert told(retrained()) == ("nothing new", "0 rows that no retraining has judged, fewer than 2")
    if not better:
        Project.open(tmp_path).run(domain)
        Project.open(tmp_path).promote(domain)
    reproduced = Project.open(tmp_path).reproduce(domain, 2)
    assert (reproduced.other_results, reproduced.causes) == ([], [])
    assert Project.open(tmp_path).diff(domain, 1, 2).index.tolist() == ["added"] * 20
    assert Project.open(tmp_path).diff(domain, 2, 1).index.tolist() == ["lost"] * 20
    if domain != "generation":
        made = Project.open(tmp_path).predict(domain)
        assert len(made) == 60
        (tmp_path / Project.open(tmp_path).catalogue.pipeline(domain).values()["source"]["path"]).rename(tmp_path / "x")
        again = Project.open(tmp_path).predict(domain)  # by what was read last
        pd.testing.assert_frame_equal(again.loc[:, "predicted":], made.loc[:, "predicted":])
