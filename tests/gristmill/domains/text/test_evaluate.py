"""The model's scores stand beside the baselines', and what the report shows of texts and tokens is kept."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification import evaluation, scores
from gristmill.domains.common.classification.predictions import most_confident_errors, read_predictions
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import texts_of
from gristmill.domains.text.evaluate import by_length, evaluate, shorten
from gristmill.domains.text.settings import Evaluate
from gristmill.errors import RequestError
from gristmill.util.table_io import read_document, read_table
from helpers.small_scored_texts import NEIGHBOURS, TELLING, Folders

pytest_plugins = ["helpers.small_scored_texts"]

pytestmark = pytest.mark.usefixtures("eager", "few_folds")

FORECASTERS = ["model", "majority", "nb_linear"]


def again(run: Folders, settings: Evaluate, out: Path) -> dict[str, int]:
    return evaluate(evaluate=settings, ingest=run["ingest"], preprocess=run["preprocess"], train=run["train"], out=out)


@pytest.mark.slow
def test_every_text_of_validation_and_test_is_predicted_in_order(opinions: Folders) -> None:
    data, rows = dataset.read(opinions["preprocess"]), read_table(opinions["evaluate"] / "predictions.parquet")

    assert rows["part"].tolist() == ["validation"] * 20 + ["test"] * 40
    assert rows["id"].tolist() == [*data.rows("validation")["id"], *data.rows("test")["id"]]


@pytest.mark.slow
def test_scores_are_those_of_the_written_predictions(opinions: Folders) -> None:
    written, names = read_document(opinions["evaluate"] / "scores.json"), ["bad", "fair", "good"]

    for part in ("validation", "test"):
        rows = read_predictions(opinions["evaluate"], part)
        truth, made = rows["label"].map(names.index).to_numpy(), rows[[f"p_{name}" for name in names]].to_numpy()
        values = written["model"][part]
        assert values["accuracy"] == (rows["label"] == rows["predicted"]).mean()
        assert values["log_loss"] == pytest.approx(scores.log_loss(truth, made))
        assert "roc_auc" not in values
    assert written["classes"] == names
    assert sum(map(sum, written["confusion"])) == sum(one["examples"] for one in written["calibration"]) == 40


@pytest.mark.slow
def test_a_perfect_score_names_the_strongest_keyword(
    verdicts: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "perfect_score_warnings", lambda model, baselines, advice, one_feature: [advice])
    again(verdicts, Evaluate(), tmp_path)

    keyword = read_table(tmp_path / "class_keywords.parquet")["token"].iloc[0]
    (warning,) = read_document(tmp_path / "scores.json")["warnings"]
    assert warning == f"check that no word reveals the label. The strongest keyword is {keyword!r}"


@pytest.mark.slow
def test_the_linear_baseline_reads_the_raw_texts_of_each_part_in_order(opinions: Folders, verdicts: Folders) -> None:
    for run in (opinions, verdicts):
        written = read_document(run["evaluate"] / "scores.json")
        assert list(written["baselines"]) == FORECASTERS[1:]
        assert written["best_baseline"] == FORECASTERS[2]
        assert written["baselines"][FORECASTERS[2]]["test"]["accuracy"] > 0.95  # each text holds a word of its class


def test_two_classes_have_a_roc_auc_and_a_part_that_is_not_there_has_no_scores(verdicts: Folders) -> None:
    written = read_document(verdicts["evaluate"] / "scores.json")
    rows = read_predictions(verdicts["evaluate"], "test")
    above, below = (rows.loc[rows["label"] == name, "p_good"].to_numpy() for name in ("good", "bad"))

    assert list(written["model"]) == ["test"]
    assert written["model"]["test"]["roc_auc"] == pytest.approx((above[:, None] > below).mean(), abs=1e-3)
    assert written["shown"] == ["log_loss", "accuracy", "f1", "roc_auc", "ece"]


def test_slices_are_by_length_and_by_the_columns_asked_for(opinions: Folders) -> None:
    table, data = read_table(opinions["evaluate"] / "scores.parquet"), dataset.read(opinions["preprocess"])
    rows, index = read_predictions(opinions["evaluate"], "test"), data.rows("test")

    for name in FORECASTERS:
        own = table[(table["part"] == "test") & (table["forecaster"] == name)]
        assert own["by"].tolist() == ["all", *["length"] * 4, *["shop"] * 3, *["class"] * 3]
        assert own["group"].tolist() == ["", "2-4", "5-6", "7-9", "10-11", "new", "old", "–", "bad", "fair", "good"]
    model = table[(table["part"] == "test") & (table["forecaster"] == "model") & (table["by"] == "length")]
    for group, examples, accuracy in model[["group", "examples", "accuracy"]].itertuples(index=False):
        low, high = map(int, group.split("-"))
        chosen = rows[index["tokens"].between(low, high).to_numpy()]
        assert len(chosen) == examples
        assert accuracy == pytest.approx((chosen["label"] == chosen["predicted"]).mean())


@pytest.mark.parametrize(
    ("training", "test", "named", "groups"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], [9, 2], ["1-2", "3-4", "5-6", "7-9"], ["7-9", "1-2"]),
        ([3, 3, 3, 3], [1, 5], ["1-3", "4-5"], ["1-3", "4-5"]),
        ([7, 7], [7], ["7"], ["7"]),
        ([0, 0, 0, 9], [9], ["0", "1-9"], ["1-9"]),
        ([20, 20, 20], [20, 3], ["3-20"], ["3-20", "3-20"]),
    ],
)
def test_quarters_of_lengths_are_those_of_the_training_texts(
    training: list[int], test: list[int], named: list[str], groups: list[str]
) -> None:
    parts = ["train"] * len(training) + ["test"] * len(test)

    index = by_length(pd.DataFrame({"part": parts, "tokens": training + test}))

    assert index["length"].cat.categories.tolist() == named
    assert index.loc[index["part"] == "test", "length"].tolist() == groups


def test_the_surest_errors_are_kept_with_their_text(opinions: Folders) -> None:
    texts = texts_of(dataset.read(opinions["preprocess"]), ["test"], opinions["ingest"])["test"]
    wrong = most_confident_errors(read_predictions(opinions["evaluate"], "test"), 12)

    shown = read_table(opinions["evaluate"] / "examples.parquet")
    kept = shown[shown["shown"] == "errors"]

    assert 0 < len(kept) == len(wrong)
    assert kept["id"].tolist() == wrong["id"].tolist()
    assert kept["text"].tolist() == [texts[at] for at in wrong.index]


def test_a_long_text_is_kept_without_its_middle_in_one_line() -> None:
    assert shorten("a  b\n\nc ") == "a b c"
    assert shorten("x" * 600) == "x" * 600
    assert shorten(f"{'a' * 400} {'b' * 400}") == f"{'a' * 300} … {'b' * 300}"


def test_what_is_known_of_the_embedding_is_written_where_there_is_one(opinions: Folders, verdicts: Folders) -> None:
    names = ["vecs.tsv", "meta.tsv", "neighbours.parquet", "embedding2d.parquet"]
    near = read_table(opinions["evaluate"] / "neighbours.parquet")

    assert all((opinions["evaluate"] / name).exists() for name in names)
    assert not any((verdicts["evaluate"] / name).exists() for name in names)
    assert near["token"].unique().tolist() == ["film", "dull"] == [name.lower() for name in NEIGHBOURS]
    known = read_document(opinions["evaluate"] / "scores.json")["embedding"]
    assert known["dimensions"] == 4
    assert 0.25 <= known["shares"][0] <= sum(known["shares"]) <= 1
    assert "embedding" not in read_document(verdicts["evaluate"] / "scores.json")


def test_the_telling_tokens_are_those_that_tell(opinions: Folders, verdicts: Folders) -> None:
    for run, words in ((opinions, TELLING), (verdicts, TELLING[::2])):
        told = read_table(run["evaluate"] / "class_keywords.parquet")
        for name, own in zip(dataset.read(run["preprocess"]).classes, words, strict=True):
            assert set(told.loc[told["class"] == name, "token"].head(2)) == set(own)


@pytest.mark.slow
def test_the_same_again_writes_the_same(opinions: Folders, tmp_path: Path) -> None:
    counts = again(opinions, Evaluate(slices=("shop", "length"), neighbours=NEIGHBOURS), tmp_path)

    doubted = len(pd.read_csv(tmp_path / "wrong_labels.csv"))
    assert counts == {"validation_texts": 20, "test_texts": 40, "likely_wrong_labels": doubted}
    written = {path.name: path.read_bytes() for path in opinions["evaluate"].iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written
    json.loads(written["scores.json"], parse_constant=pytest.fail)  # NaN is no JSON


@pytest.mark.slow
def test_of_no_words_the_most_telling_tokens_are_looked_up(opinions: Folders, tmp_path: Path) -> None:
    again(opinions, Evaluate(), tmp_path)

    near, told = read_table(tmp_path / "neighbours.parquet"), read_table(tmp_path / "class_keywords.parquet")
    assert near["token"].unique().tolist() == told["token"].head(6).tolist()


@pytest.mark.parametrize(
    ("column", "said"),
    [("shpo", "unknown column 'shpo'.*Known: .*shop"), ("class", "'class' is a name that the scores use")],
)
def test_a_slice_by_what_is_no_column_is_refused(opinions: Folders, tmp_path: Path, column: str, said: str) -> None:
    with pytest.raises(RequestError, match=f"^evaluate.slices: {said}"):
        again(opinions, Evaluate(slices=("shop", column)), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_word_that_is_no_token_is_refused(opinions: Folders, verdicts: Folders, tmp_path: Path) -> None:
    said = "evaluate.neighbours: 'fillm' is not one of the 12 tokens of the vocabulary. Similar: 'film'."
    with pytest.raises(RequestError, match=f"^{re.escape(said)}$"):
        again(opinions, Evaluate(neighbours=("film", "fillm")), tmp_path)
    said = (
        "evaluate.neighbours: the network has no Embedding layer with a row per token, so tokens have no neighbours. "
        "Leave the key out."
    )
    with pytest.raises(RequestError, match=f"^{re.escape(said)}$"):
        again(verdicts, Evaluate(neighbours=("film",)), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_network_for_any_length_gives_the_same_in_order_as_one_text_at_a_time(opinions: Folders) -> None:
    from gristmill.training import saved_network

    data, network = dataset.read(opinions["preprocess"]), saved_network.read(opinions["train"])
    made = read_predictions(opinions["evaluate"], "test").filter(regex="^p_").to_numpy()

    assert network.input_shape == (None, None)
    alone = np.concatenate([network(tokens[np.newaxis]).numpy() for tokens in data.sequences("test")])
    assert made == pytest.approx(alone, abs=1e-5)
