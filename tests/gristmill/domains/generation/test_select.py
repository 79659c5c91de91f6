"""Counts and networks are on one leaderboard; the best of them, or the mean of several, is exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.config.candidates import candidates_of
from gristmill.domains.common import candidates as artifacts
from gristmill.domains.common.candidates import CandidateArtifacts, read_selection, write_candidate
from gristmill.domains.common.selection import read_leaderboard
from gristmill.domains.generation.evaluate import evaluate
from gristmill.domains.generation.export import export
from gristmill.domains.generation.models.ngram import Counts, Ngram, Unigram
from gristmill.domains.generation.models.recurrent import Gru
from gristmill.domains.generation.presets import PRESETS
from gristmill.domains.generation.scores import TokenOutcomes
from gristmill.domains.generation.select import select
from gristmill.domains.generation.settings import Evaluate, Export, Preprocess, Train
from gristmill.domains.generation.train import train
from gristmill.errors import Diverged, WorkError
from gristmill.scores import Scores
from gristmill.settings.selection import Auto, Select
from gristmill.util.table_io import read_document
from helpers.eager import eagerly
from helpers.small_writers import EVALUATE, LENGTH, write_prepared

pytestmark = pytest.mark.usefixtures("eager")
pytest_plugins = ["helpers.end_to_end"]

Candidates = dict[str, CandidateArtifacts]
MODELS = {
    "unigram": Unigram(kind="unigram"),
    "ngram": Ngram(kind="ngram", order=2),
    "gru": Gru(kind="gru", dimensions=4, recurrent=(4,)),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    write_prepared(folder, Preprocess(length=LENGTH))
    return folder


@pytest.fixture(scope="module")
def candidates(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidates:
    """Return trained candidates, and one that failed."""
    made, settings = {}, Train(epochs=1, learning_rate=0.01)
    for name, model in MODELS.items():
        out, aside = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp("aside")
        kept: Any = {"scratch": aside / "scratch", "logs": aside / "logs", "on_epoch": lambda epoch: None}
        with eagerly():
            train(model=model, train=settings, preprocess=prepared, out=out, **kept)
        write_candidate({"model": model, "train": settings}, out)
        made[name] = CandidateArtifacts(out)
    failed = tmp_path_factory.mktemp("failed")
    write_candidate({"model": MODELS["gru"]}, failed, Diverged("the loss became nan"))
    return made | {"gru-2": CandidateArtifacts(failed)}


@pytest.fixture
def selected(prepared: Path, candidates: Candidates, tmp_path: Path) -> Callable[..., Path]:
    def call(**settings: Any) -> Path:
        out = tmp_path / "select"
        out.mkdir(exist_ok=True)
        counts = select(select=Select(**settings), preprocess=prepared, candidates=candidates, out=out)
        assert counts["candidates"] == 4
        return out

    return call


@pytest.mark.slow
def test_the_candidate_with_the_fewest_bits_is_selected_alone(
    selected: Callable[..., Path], candidates: Candidates
) -> None:
    out = selected(max_members=1)

    bits = {name: TokenOutcomes.of_validation(candidates[name].train).bits for name in MODELS}
    board = read_leaderboard(out)
    assert board["candidate"].tolist() == [
        "ngram",
        *sorted(("unigram", "gru"), key=lambda name: bits[name].mean()),
        "gru-2",
    ]
    assert board["loss"].iloc[0] == pytest.approx(bits["ngram"].mean())
    assert board["weight"].tolist() == [1, 0, 0, 0]
    assert board["failed"].iloc[-1] == "the loss became nan"
    found = read_selection(out) or {}
    assert [member["name"] for member in found["members"]] == ["ngram"]
    assert found["members"][0]["settings"]["model"]["order"] == 2
    kept = {path.name for path in candidates["ngram"].train.iterdir()} - {artifacts.FILE}
    for name in kept:
        assert (out / name).read_bytes() == (candidates["ngram"].train / name).read_bytes()
    assert {path.name for path in out.iterdir()} == kept | {"selection.json", "leaderboard.parquet"}


WEIGHTS = {"ngram": 0.75, "gru": 0.25}


@pytest.mark.slow
def test_the_mean_of_several_has_the_bits_of_their_mean_probability(
    selected: Callable[..., Path], candidates: Candidates
) -> None:
    outcome = TokenOutcomes.of_validation(selected(weights=WEIGHTS))

    chances = [
        weight * np.exp2(-TokenOutcomes.of_validation(candidates[name].train).bits) for name, weight in WEIGHTS.items()
    ]
    assert outcome.bits == pytest.approx(-np.log2(sum(chances)))
    assert outcome.right is None


@pytest.mark.slow
def test_the_mean_of_several_is_scored_and_exported(
    selected: Callable[..., Path], candidates: Candidates, prepared: Path, tmp_path: Path, parity_here: None
) -> None:
    evaluated, exported = tmp_path / "evaluate", tmp_path / "export"
    evaluated.mkdir()
    exported.mkdir()

    kept = {"preprocess": prepared, "train": selected(weights=WEIGHTS)}
    evaluate(evaluate=EVALUATE, **kept, candidates=candidates, out=evaluated)
    export(export=Export(), **kept, evaluate=evaluated, out=exported)

    scores = Scores.read(exported)
    assert scores.model["validation"]["accuracy"] is None
    assert scores.selected
    assert scores.selected.members == WEIGHTS
    assert (scores.parity or 0) < 1e-6
    tests = [scores.model, scores.baselines["ngram"], scores.candidates["gru"]]
    assert len({one["test"]["bits_per_token"] for one in tests}) == 3


def test_a_limit_of_size_excludes_what_is_larger(selected: Callable[..., Path], candidates: Candidates) -> None:
    size = (candidates["ngram"].train / "weights.npz").stat().st_size / 1e6

    board = read_leaderboard(selected(max_size=0.999 * size, max_members=1))

    assert board.set_index("candidate")["weight"]["ngram"] == 0
    assert board["weight"].sum() == 1


def test_no_candidate_is_fast_enough(selected: Callable[..., Path]) -> None:
    with pytest.raises(WorkError) as none_left:
        selected(max_latency=1e-9)

    assert "; ngram: a prediction takes " in str(none_left.value)


@pytest.mark.slow
def test_every_candidate_is_scored_once(
    selected: Callable[..., Path], candidates: Candidates, prepared: Path, tmp_path: Path
) -> None:
    model, times = selected(max_members=1), dict[str, float]()

    evaluate(
        evaluate=EVALUATE, preprocess=prepared, train=model, candidates=candidates, microseconds=times, out=tmp_path
    )

    scores = Scores.read(tmp_path)
    assert list(scores.baselines) == ["unigram", "ngram", "bigram"]  # bigrams were no candidate
    assert list(scores.candidates) == ["gru"]
    assert list(times) == list(MODELS)
    assert min(times.values()) > 0
    assert scores.selected
    assert (scores.selected.name, scores.selected.tried, scores.selected.failed) == ("ngram", 4, 1)
    assert scores.model == scores.baselines["ngram"]
    document = read_document(tmp_path / "scores.json")
    assert document["headline"]["model"] == document["headline"]["baseline"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_candidate_of_a_preset_is_valid_and_cheap_ones_come_first(name: str) -> None:
    tables = {
        "model": Auto(kind="auto", preset=name),
        "train": Train(patience=2),
        "preprocess": Preprocess(),
        "evaluate": Evaluate(),
    }

    found = candidates_of("generation", tables)

    assert len(found) == len(PRESETS[name])
    cheap = [isinstance(one.tables["model"], Counts) for one in found]
    assert cheap == sorted(cheap, reverse=True)
    assert [one.name for one in found][:4] == ["unigram", "bigram", "ngram", "ngram-2"]
    trained: list[Any] = [one.tables["train"] for one in found]
    assert all(train.patience == 2 for train in trained)
