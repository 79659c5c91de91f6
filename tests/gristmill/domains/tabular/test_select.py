"""Candidates are compared on held-out rows; the chosen average is one network."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from gristmill.config.candidates import candidates_of
from gristmill.config.domains import domain_of
from gristmill.config.tables import read_table
from gristmill.domains.common import supervised
from gristmill.domains.common.candidates import CandidateArtifacts, read_selection, write_candidate
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.selection import read_leaderboard
from gristmill.domains.common.supervised import fit_and_hold_out
from gristmill.domains.tabular import dataset, held_out
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.evaluate import evaluate
from gristmill.domains.tabular.learner import RowLearner
from gristmill.domains.tabular.models.dense import Dense
from gristmill.domains.tabular.models.linear import LeastSquares, Logistic, Quadratic
from gristmill.domains.tabular.models.mean import Majority, Mean
from gristmill.domains.tabular.presets import PRESETS
from gristmill.domains.tabular.select import select
from gristmill.domains.tabular.settings import Ingest, Train
from gristmill.domains.tabular.train import train
from gristmill.errors import Unsuitable
from gristmill.settings.selection import Auto, Select
from gristmill.training import saved_network
from gristmill.training.history import TrainingHistory
from gristmill.training.train_steps import write_trained
from gristmill.util.table_io import read_document
from gristmill.util.table_io import read_table as read_parquet
from helpers.eager import eagerly
from helpers.small_tables import prepared

MODELS: dict[str, Any] = {
    "mean": Mean(kind="mean"),
    "least_squares": LeastSquares(kind="least_squares"),
    "quadratic": Quadratic(kind="quadratic"),
    "dense": Dense(kind="dense", units=(8,), pieces=3, skewed_target="log"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, CandidateArtifacts]]:
    """The folder of preprocess, and candidates of which one failed."""
    root = tmp_path_factory.mktemp("candidates")
    (root / "preprocess").mkdir()
    dataset.write(prepared(), root / "preprocess")
    candidates = {}
    for name, model in MODELS.items():
        (root / name).mkdir()
        how = Train(epochs=2, few_examples="average", patience=2, batch_size=64)
        with eagerly():
            train(
                model=model,
                train=how,
                preprocess=root / "preprocess",
                out=root / name,
                scratch=root / f"{name}.scratch",
                logs=root / f"{name}.logs",
                on_epoch=lambda epoch: None,
            )
        write_candidate({"model": model, "train": how}, root / name)
        candidates[name] = CandidateArtifacts(root / name)
    (root / "kernel").mkdir()
    write_candidate({"model": Mean(kind="mean")}, root / "kernel", Unsuitable("too many rows"))
    candidates["kernel"] = CandidateArtifacts(root / "kernel")
    return root / "preprocess", candidates


@pytest.fixture(scope="module")
def selected(made: tuple[Path, dict[str, CandidateArtifacts]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("selected")
    counts = select(select=Select(), preprocess=made[0], candidates=made[1], out=out)
    assert counts["candidates"] == 5
    return out


@pytest.mark.slow
def test_every_candidate_predicts_all_of_few_rows(made: tuple[Path, dict[str, CandidateArtifacts]]) -> None:
    for name in MODELS:
        assert held_out.read(made[1][name].train).index.tolist() == list(range(75))


@pytest.mark.slow
def test_the_average_of_fold_networks_is_the_network(made: tuple[Path, dict[str, CandidateArtifacts]]) -> None:
    network = saved_network.read(made[1]["dense"].train)
    members = [layer for layer in network.layers if layer.name.startswith("member_")]
    data = prepared()
    alone = [
        member.predict_on_batch(dict(zip(["numbers", "categories"], tensors(data), strict=True))) for member in members
    ]
    assert len(members) == 3
    assert predict_target(network, data.inputs) == pytest.approx(np.mean(alone, axis=0)[:, 0], rel=1e-5)


def tensors(data: dataset.Prepared) -> list[Any]:
    import tensorflow as tf

    return [tf.constant(data.inputs[name]) for name in ("numbers", "categories")]


def test_the_selected_network_is_the_weighted_average(
    made: tuple[Path, dict[str, CandidateArtifacts]], selected: Path
) -> None:
    data, document = prepared(), read_selection(selected)
    assert document is not None
    assert (document["metric"], document["on"]) == ("mae", "folds")
    weights = {member["name"]: member["weight"] for member in document["members"]}
    expected = sum(
        weight * predict_target(saved_network.read(made[1][name].train), data.inputs)
        for name, weight in weights.items()
    )
    honest = sum(weight * held_out.read(made[1][name].train).to_numpy() for name, weight in weights.items())

    assert sum(weights.values()) == pytest.approx(1)
    assert predict_target(saved_network.read(selected), data.inputs) == pytest.approx(expected, rel=1e-5)
    assert held_out.read(selected).to_numpy() == pytest.approx(honest)
    assert document["loss"] == pytest.approx(np.abs(honest - data.truth[:75]).mean())


def test_the_leaderboard_has_every_candidate(selected: Path) -> None:
    table = read_leaderboard(selected).set_index("candidate")
    assert table.index.tolist()[0] == "quadratic"  # as the prices are made
    assert set(table.index) == {*MODELS, "kernel"}
    assert table["failed"]["kernel"] == "too many rows"
    assert table["baseline"].to_dict() == {
        "mean": True,
        "least_squares": True,
        "quadratic": False,
        "dense": False,
        "kernel": True,
    }


def test_equal_candidates_give_equal_files(
    made: tuple[Path, dict[str, CandidateArtifacts]], selected: Path, tmp_path: Path
) -> None:
    select(select=Select(), preprocess=made[0], candidates=made[1], out=tmp_path)
    for path in selected.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_limits_hold(made: tuple[Path, dict[str, CandidateArtifacts]], tmp_path: Path) -> None:
    counts = select(select=Select(max_members=1, max_latency=1e6), preprocess=made[0], candidates=made[1], out=tmp_path)
    assert counts["members"] == 1


@pytest.mark.slow
def test_evaluate_scores_every_candidate_and_held_out_predictions_of_the_validation_set(
    made: tuple[Path, dict[str, CandidateArtifacts]], selected: Path, tmp_path: Path
) -> None:
    measured: dict[str, float] = {}
    with patch.object(saved_network, "read", wraps=saved_network.read) as read:
        evaluate(
            evaluate=Evaluate(),
            preprocess=made[0],
            train=selected,
            candidates=made[1],
            out=tmp_path,
            microseconds=measured,
        )

    assert sorted(call.args[0] for call in read.call_args_list) == sorted(
        [selected, *(made[1][name].train for name in MODELS)]
    )
    scores, rows = read_document(tmp_path / "scores.json"), read_parquet(tmp_path / "predictions.parquet")
    assert set(scores["baselines"]) == {"mean", "least_squares"}
    assert set(scores["candidates"]) == {"quadratic", "dense"}
    assert scores["selected"]["best"] == "quadratic"
    assert set(measured) == set(MODELS)
    assert min(measured.values()) > 0
    validation = rows[rows["part"] == "validation"]
    for name in MODELS:
        assert validation[name].tolist() == held_out.read(made[1][name].train)[validation.index].tolist()
    assert validation["model"].tolist() == held_out.read(selected)[validation.index].tolist()
    test = rows[rows["part"] == "test"]
    assert scores["model"]["test"]["mae"] == pytest.approx((test["y"] - test["model"]).abs().mean())


@pytest.mark.parametrize(
    ("task", "baselines"), [("regression", ["mean", "least_squares"]), ("classification", ["majority", "logistic"])]
)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_begin_with_the_baselines(name: str, task: str, baselines: list[str]) -> None:
    choices = domain_of("tabular").tables
    tables: dict[str, Any] = {
        table: read_table(choices[table], {}, table, table, []) for table in ("train", "select", "evaluate")
    }
    tables["ingest"] = Ingest.model_validate({"target": "y", "numbers": "x", "task": task})
    found = candidates_of("tabular", tables | {"model": Auto(kind="auto", preset=name)})
    assert [one.name for one in found][:2] == baselines
    assert len(found) == len(PRESETS[name](tables))


@pytest.mark.slow
def test_classes_are_selected_by_their_log_loss_and_exported_as_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "CLOSED_FORM_FOLDS", 2)
    data = prepared(classes=3)
    for name in ("preprocess", "majority", "logistic", "selected"):
        (tmp_path / name).mkdir()
    dataset.write(data, tmp_path / "preprocess")
    candidates = {}
    for name, model in {"majority": Majority(kind="majority"), "logistic": Logistic(kind="logistic")}.items():
        fitted, honest = fit_and_hold_out(RowLearner(data), model)
        held_out.write(data, *honest, tmp_path / name)
        write_trained(fitted.network, TrainingHistory(), tmp_path / name)
        write_candidate({"model": model, "train": Train()}, tmp_path / name)
        candidates[name] = CandidateArtifacts(tmp_path / name)

    select(select=Select(), preprocess=tmp_path / "preprocess", candidates=candidates, out=tmp_path / "selected")

    assert read_leaderboard(tmp_path / "selected")["candidate"].iloc[0] == "logistic"
    made = predict_target(saved_network.read(tmp_path / "selected"), data.inputs)
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (made.argmax(axis=1) == data.labels)[data.at("test")].mean() > 0.6
