"""Trees are LightGBM's, as arrays and as Keras layers that every format takes."""

import dataclasses
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import lightgbm
import numpy as np
import numpy.typing as npt
import pytest

from gristmill.errors import Unsuitable, WorkError
from gristmill.export.formats import FORMATS
from gristmill.store.code_closure import PackageCode, code_closure
from gristmill.training import saved_network
from gristmill.training.deadline import Deadline, DeadlinePassed
from gristmill.training.saved_network import predict_in_batches
from gristmill.training.trees import fit as trees
from gristmill.training.trees.fit import fit_trees
from gristmill.training.trees.lightgbm_process import options_of, round_down
from gristmill.training.trees.network import paths_of, tree_network
from gristmill.training.trees.tree_data import TreeFit, Trees, TreeSettings, average_trees, read_trees, write_trees
from gristmill.util.files import StatCache

ROWS, WIDTH = 600, 5
SMALL = TreeSettings(rounds=30, learning_rate=0.2, leaves=12, depth=5, min_rows=5)


def rows(count: int = ROWS, missing: float = 0.1) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return features, some of them missing in all but the last column, and a target that depends on both."""
    random = np.random.default_rng(3)
    features = random.normal(size=(count, WIDTH)).astype(np.float32)
    features[:, :-1][random.random((count, WIDTH - 1)) < missing] = np.nan
    known = np.nan_to_num(features)
    target = 3 * known[:, 0] + np.sin(2 * known[:, 1]) * known[:, 4] + 2 * np.isnan(features[:, 2])
    return features, target + random.normal(0, 0.1, count)


def by_lightgbm(given: TreeFit, output: int = 0) -> Any:
    """Return the model that LightGBM fits in this process."""
    options = options_of(given.settings)
    targets = given.targets.reshape(len(given.targets), -1)[:, output]
    data = lightgbm.Dataset(given.features, targets, weight=given.weights)
    assert isinstance(given.settings.rounds, int)
    return lightgbm.train(options, data, given.settings.rounds)


def network_of(trees: Trees) -> keras.Model:
    features = keras.Input(
        (int(trees.columns.max()) // 2,)
    )  # a leaf compares the column after both sides of all features
    return keras.Model(features, tree_network(features, trees))


LARGE = dataclasses.replace(SMALL, rounds=5, leaves=40, depth=7, min_rows=2)


@pytest.fixture(scope="module", params=[SMALL, LARGE], ids=["compared", "walked"])
def fitted(request: pytest.FixtureRequest) -> tuple[TreeFit, Trees]:
    given = TreeFit(*rows(), request.param)
    trees = fit_trees([given])[0]
    assert (paths_of(trees) is None) == (request.param is LARGE)
    return given, trees


@pytest.fixture(scope="module")
def network(fitted: tuple[TreeFit, Trees]) -> keras.Model:
    """Return the network of the trees, which has predicted, as export has it do before it writes."""
    network = network_of(fitted[1])
    predict_in_batches(network, fitted[0].features)
    return network


@pytest.mark.slow
def test_predictions_equal_those_of_lightgbm_with_and_without_missing_values(
    fitted: tuple[TreeFit, Trees], network: keras.Model
) -> None:
    given, trees = fitted
    features = given.features.copy()
    features[:50, -1] = np.nan  # a column that was complete when the trees were fitted
    features[50:60] = np.nan
    features[60] = [np.inf, -np.inf, np.inf, -np.inf, 0]

    expected = by_lightgbm(given).predict(features)

    assert trees.predict(features)[:, 0] == pytest.approx(expected, abs=1e-5)
    assert predict_in_batches(network, features)[:, 0] == pytest.approx(expected, abs=1e-5)
    assert len(np.unique(expected.round(6))) > 100


def test_paths_lead_to_the_leaves_of_a_walk(fitted: tuple[TreeFit, Trees], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.training.trees.network.MAX_LEAVES", 256)
    given, trees = fitted
    row, paths = np.nan_to_num(given.features[7]), paths_of(trees)

    assert paths is not None
    for tree, root in enumerate(trees.roots):
        node = root
        while trees.lefts[node] != node:
            node = trees.lefts[node] + (row[trees.columns[node] % WIDTH] > trees.thresholds[node])
        right = np.concatenate([row, row, [0]])[paths.columns[tree]] > paths.thresholds[tree]
        reached = np.maximum(paths.turns[tree] @ right - (paths.rights[tree] - 1), 0)
        assert sorted(reached)[-2:] == [0, 1] or len(reached) == 1
        assert paths.values[tree] @ reached == trees.values[node]


def test_a_loop_over_the_nodes_finds_the_same_leaves(fitted: tuple[TreeFit, Trees]) -> None:
    given, trees = fitted
    row = np.nan_to_num(given.features[7])
    total = 0.0
    for root in trees.roots:
        node = root
        while trees.lefts[node] != node:
            assert trees.columns[node] < 2 * WIDTH
            value = row[trees.columns[node] % WIDTH]
            node = trees.lefts[node] + (value > trees.thresholds[node])
        total += trees.values[node]
    assert trees.predict(row[np.newaxis])[0, 0] == pytest.approx(total, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["l1", "huber", "binary"])
def test_each_objective_gives_the_raw_scores_of_lightgbm(objective: Any) -> None:
    features, target = rows()
    target = (target > 0).astype(float) if objective == "binary" else target
    given = TreeFit(features, target, dataclasses.replace(SMALL, objective=objective))

    forest = fit_trees([given])[0]

    assert forest.predict(features)[:, 0] == pytest.approx(
        by_lightgbm(given).predict(features, raw_score=True), abs=1e-5
    )


@pytest.mark.slow
def test_classes_have_a_logit_each() -> None:
    features, target = rows()
    classes = np.digitize(target, [-2, 2])
    given = TreeFit(features, classes, dataclasses.replace(SMALL, objective="multiclass", classes=3, rounds=8))

    forest = fit_trees([given])[0]

    expected = by_lightgbm(given).predict(features, raw_score=True)
    assert forest.rounds.tolist() == [8]
    assert predict_in_batches(network_of(forest), features) == pytest.approx(expected, abs=1e-5)


def test_several_outputs_have_a_model_and_a_number_of_rounds_each() -> None:
    features, target = rows()
    targets = np.column_stack([target, -5 * target, np.abs(target)])

    forest = fit_trees([TreeFit(features, targets, dataclasses.replace(SMALL, rounds=(4, 9, 2)))])[0]

    assert forest.rounds.tolist() == [4, 9, 2]
    found = predict_in_batches(network_of(forest), features)
    for output, rounds in enumerate((4, 9, 2)):
        alone = TreeFit(features, targets, dataclasses.replace(SMALL, rounds=rounds))
        assert found[:, output] == pytest.approx(by_lightgbm(alone, output).predict(features), abs=1e-5)


def test_an_average_predicts_the_mean_of_its_parts() -> None:
    features, target = rows()
    fits = [
        TreeFit(features, target, dataclasses.replace(SMALL, rounds=5, row_share=0.5, seed=seed)) for seed in (1, 2)
    ]
    fits.append(TreeFit(features, np.zeros(ROWS), dataclasses.replace(SMALL, rounds=2)))
    parts = fit_trees(fits)

    average = average_trees(parts)

    assert average.predict(features) == pytest.approx(
        np.mean([part.predict(features) for part in parts], axis=0), abs=1e-5
    )
    assert average.rounds.tolist() == [5, 5, len(parts[2].roots)]


def test_weights_count() -> None:
    features, target = rows()
    weights = np.where(target > 0, 10.0, 0.1)
    plain, weighted = fit_trees([TreeFit(features, target, SMALL), TreeFit(features, target, SMALL, weights=weights)])
    assert weighted.predict(features).mean() > plain.predict(features).mean() + 0.01


def test_validation_rows_choose_the_number_of_rounds() -> None:
    features, target = rows()
    target = target + np.random.default_rng(0).normal(0, 3, len(target))  # soon only noise is left to learn
    settings = dataclasses.replace(SMALL, rounds=300, patience=10)
    given = TreeFit(features[:400], target[:400], settings, (features[400:], target[400:]))

    forest = fit_trees([given])[0]

    (rounds,) = forest.rounds
    errors = []
    for count in (max(rounds - 3, 1), rounds, rounds + 5):
        refit = TreeFit(features[:400], target[:400], dataclasses.replace(settings, rounds=int(count)))
        errors.append(np.square(fit_trees([refit])[0].predict(features[400:])[:, 0] - target[400:]).mean())
    assert 0 < rounds < 100
    assert errors[1] == min(errors)


def test_neighbours_of_a_threshold_go_where_lightgbm_sends_them() -> None:
    """Thresholds lie between numbers that are one step of float32 apart."""
    features = np.nextafter(np.float32(1), np.float32(2)) * np.ones((64, 1), np.float32)
    features[:32] = 1
    given = TreeFit(features, np.repeat([0.0, 1.0], 32), dataclasses.replace(SMALL, rounds=1, learning_rate=1.0))

    forest = fit_trees([given])[0]

    assert forest.predict(features)[:, 0].tolist() == by_lightgbm(given).predict(features).tolist()
    assert set(forest.thresholds[forest.columns == 0]) <= {np.float32(1)}


@pytest.mark.parametrize("value", [0.1, -0.1, 1e-35, 3.5, 1 + 2**-24 + 2**-50, -7.25])
def test_a_threshold_is_the_highest_float32_below_it(value: float) -> None:
    rounded = np.float32(round_down(value))
    assert float(rounded) <= value < float(np.nextafter(rounded, np.float32(np.inf)))


def test_a_threshold_never_reaches_the_number_that_stands_for_nan() -> None:
    assert round_down(1.7e308) < np.finfo(np.float32).max


def test_rows_without_a_split_give_their_mean() -> None:
    features = np.zeros((10, 2), np.float32)
    forest = fit_trees([TreeFit(features, np.arange(10.0), dataclasses.replace(SMALL, rounds=3))])[0]
    assert forest.depth == 0
    assert forest.predict(features)[:, 0] == pytest.approx(np.full(10, 4.5))
    assert predict_in_batches(network_of(forest), features)[:, 0] == pytest.approx(np.full(10, 4.5))


@pytest.mark.slow
def test_equal_fits_are_equal_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are so many that more than one thread is used."""
    features, target = rows(45_000)
    given = TreeFit(features, target, dataclasses.replace(SMALL, rounds=5, row_share=0.7, column_share=0.6, seed=5))
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        end_process()
        found.append(vars(fit_trees([given])[0]))
    end_process()

    assert len(found[0]["values"]) > 5
    for name, values in found[0].items():
        assert np.array_equal(values, found[1][name]), name


@pytest.mark.slow
def test_a_fit_that_was_stopped_leaves_no_answer_to_the_next_one() -> None:
    given = TreeFit(*rows(), SMALL)
    (expected,) = fit_trees([given])
    with pytest.raises(DeadlinePassed), Deadline.after(0.1).enforce("trees"):
        fit_trees([dataclasses.replace(given, settings=dataclasses.replace(SMALL, rounds=100_000))])

    (again,) = fit_trees([given])

    assert np.array_equal(again.values, expected.values)


def test_a_stop_within_a_request_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def write(_: str) -> None:
        raise KeyboardInterrupt

    process: Any = SimpleNamespace(
        poll=lambda: None,
        stdout=None,
        stdin=SimpleNamespace(write=write),
        kill=lambda: ended.append("killed"),
        communicate=lambda: ended.append("closed"),
    )
    fitting = trees._Process()
    monkeypatch.setattr(fitting, "_running", process)
    with pytest.raises(KeyboardInterrupt):
        fitting.run([])

    assert ended == ["killed", "closed"]


def test_arrays_are_read_as_they_were_written(fitted: tuple[TreeFit, Trees], tmp_path: Path) -> None:
    write_trees(tmp_path / "trees.npz", fitted[1])
    for name, values in vars(read_trees(tmp_path / "trees.npz")).items():
        assert np.array_equal(values, getattr(fitted[1], name)), name


def test_a_saved_network_predicts_the_same(fitted: tuple[TreeFit, Trees], network: keras.Model, tmp_path: Path) -> None:
    given, _ = fitted
    saved_network.write(network, tmp_path)
    assert np.array_equal(
        predict_in_batches(saved_network.read(tmp_path), given.features), predict_in_batches(network, given.features)
    )
    assert len((tmp_path / "architecture.json").read_text()) < 60_000  # the tables are weights


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras", "lite", "onnx"])
def test_each_format_predicts_the_same(
    fitted: tuple[TreeFit, Trees], network: keras.Model, form: str, tmp_path: Path
) -> None:
    if form == "lite":
        pytest.importorskip("ai_edge_litert")
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    given, trees = fitted
    path = tmp_path / FORMATS[form].path
    FORMATS[form].write(network, path)
    assert FORMATS[form].load(path)(given.features) == pytest.approx(trees.predict(given.features), abs=1e-5)


@pytest.mark.parametrize("problem", ["OSError('libgomp.so.1: cannot open shared object file')", "ImportError('gone')"])
def test_a_library_that_cannot_be_loaded_is_no_failure_of_the_run(
    problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_lightgbm(tmp_path, monkeypatch, f"raise {problem}")
    with pytest.raises(
        Unsuitable, match=r"^LightGBM cannot be loaded: install libgomp1 \(macOS: brew install libomp\)$"
    ):
        fit_trees([TreeFit(*rows(), SMALL)])


def test_a_process_that_ends_early_is_an_error_with_its_last_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow_lightgbm(tmp_path, monkeypatch, "import sys; print('out of memory', file=sys.stderr); sys.exit(9)")
    with pytest.raises(WorkError, match="ended with status 9: out of memory"):
        fit_trees([TreeFit(*rows(), SMALL)])


@pytest.mark.slow
def test_what_lightgbm_cannot_fit_is_a_failure_of_the_candidate_after_which_others_are_fitted() -> None:
    features, target = rows()
    classes = TreeFit(features, np.arange(ROWS) % 5, dataclasses.replace(SMALL, objective="multiclass", classes=2))

    with pytest.raises(
        Unsuitable, match=r"^LightGBM cannot fit trees to this data: Label must be in \[0, 2\), but found 2 in label$"
    ):
        fit_trees([classes])

    assert fit_trees([TreeFit(features, target, SMALL)])


def test_too_little_memory_is_no_failure_of_the_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow_lightgbm(tmp_path, monkeypatch, NO_MEMORY)
    with pytest.raises(WorkError, match="ended with status 1: std::bad_alloc") as raised:
        fit_trees([TreeFit(*rows(), SMALL)])
    assert not isinstance(raised.value, Unsuitable)


def test_a_tree_of_more_levels_than_the_network_walks_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be 1 to 8"):
        dataclasses.replace(SMALL, depth=9)


NO_MEMORY = """
import sys


class LightGBMError(Exception):
    pass


def Dataset(*_, **__):
    raise LightGBMError("std::bad_alloc")


sys.modules["lightgbm.basic"] = sys.modules[__name__]
"""


def end_process() -> None:
    """End the process that fits trees: the next fit starts one, with the environment of then."""
    if running := trees._process._running:
        running.kill()
        running.communicate()
        trees._process._running = None


def shadow_lightgbm(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let child processes find a module `lightgbm` with this code before the installed one."""
    end_process()
    (folder / "lightgbm.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


def test_a_process_that_prints_more_than_a_pipe_holds_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys; sys.stderr.write('x' * 1_000_000); sys.stderr.flush(); sys.stdin.readline(); print(flush=True)"
    )
    monkeypatch.setattr(trees, "module_command", lambda module: ([sys.executable, "-c", script], dict(os.environ)))
    with Deadline.after(60).enforce("trees"):
        trees._Process().run([tmp_path])


@pytest.mark.parametrize("domain", ["tabular", "timeseries"])
def test_an_edit_of_the_process_makes_boosted_trees_stale(domain: str, tmp_path: Path) -> None:
    kind = f"gristmill.domains.{domain}.models.boosted_trees"
    modules = PackageCode(StatCache(tmp_path)).modules([kind])

    assert "gristmill.training.trees.lightgbm_process" in code_closure([kind], modules)
