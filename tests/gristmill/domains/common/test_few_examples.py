"""The few examples of a check are a part of the preprocessed training set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.few_examples import affinely_independent_rows
from gristmill.domains.generation import dataset, few_examples
from gristmill.domains.generation.settings import Train
from gristmill.domains.generation.train import validation_of
from gristmill.domains.tabular import dataset as rows
from gristmill.domains.tabular import few_examples as cut_rows
from gristmill.domains.text import dataset as texts
from gristmill.domains.text import few_examples as cut_texts
from gristmill.domains.timeseries import few_examples as cut_series
from gristmill.domains.timeseries.data import dataset as series
from gristmill.domains.vision import dataset as images
from gristmill.domains.vision import few_examples as cut_images
from gristmill.util.table_io import read_table
from helpers.small_prepared import spotted, write_prepared
from helpers.small_runs import assembled
from helpers.small_tokens import telling
from helpers.small_tokens import write_tokens as write_texts

Folders = dict[str, Path]


@pytest.fixture
def out(tmp_path: Path) -> Folders:
    """Empty folders of what train reads."""
    made = {name: tmp_path / f"cut {name}" for name in ("ingest", "preprocess", "features")}
    for folder in made.values():
        folder.mkdir()
    return made


def test_images_of_all_classes_come_with_their_own_features(tmp_path: Path, out: Folders) -> None:
    pixels, labels = spotted(90, 3)
    write_prepared(tmp_path / "images", {"train": (pixels, sorted(labels)), "test": spotted(9, 3)}, ["a", "b", "c"])
    np.save(out["preprocess"].parent / "train.npy", np.arange(90, dtype=np.float32).reshape(90, 1))

    cut_images.cut({"preprocess": tmp_path / "images", "features": tmp_path}, out, limit=6)

    few = images.read(out["preprocess"])
    chosen = [0, 1, 30, 31, 60, 61]  # the first two of each class
    assert few.layout.counts == {"train": 6, "validation": 0, "test": 0}
    assert few.labels("train").tolist() == [0, 0, 1, 1, 2, 2]
    assert (few.pixels("train") == pixels[chosen]).all()
    assert np.load(out["features"] / "train.npy").ravel().tolist() == chosen


def test_an_image_with_two_labels_is_taken_once(tmp_path: Path, out: Folders) -> None:
    pixels, labels = spotted(90, 3)
    pixels[[1, 4, 7]] = pixels[0]  # the first three of the second class are the first of the first
    write_prepared(tmp_path / "images", {"train": (pixels, labels), "test": spotted(9, 3)}, ["a", "b", "c"])

    cut_images.cut({"preprocess": tmp_path / "images"}, out)

    few = images.read(out["preprocess"])
    assert len({image.tobytes() for image in few.pixels("train")}) == 8
    assert sorted(np.bincount(few.labels("train"))) == [2, 3, 3]


def test_texts_keep_their_tokens_and_labels(tmp_path: Path, out: Folders) -> None:
    given, labels = telling(30)
    write_texts(tmp_path / "texts", {"train": (given, labels), "test": telling(5, seed=1)}, ["one", "other"])

    cut_texts.cut(dict.fromkeys(("ingest", "preprocess"), tmp_path / "texts"), out)

    few = texts.read(out["preprocess"])
    assert few.layout.counts == {"train": 8, "validation": 0, "test": 0}
    assert few.labels("train").tolist() == labels[:8]
    assert few.tokenizer().tokens == texts.read(tmp_path / "texts").tokenizer().tokens
    assert read_table(out["ingest"] / "texts.parquet")["id"].tolist() == few.index["id"].tolist()
    for found, whole in zip(few.sequences("train"), given, strict=False):
        assert found.tolist() == whole.tolist()


def test_a_text_with_two_labels_is_taken_once(tmp_path: Path, out: Folders) -> None:
    given, _ = telling(30)
    write_texts(tmp_path / "texts", {"train": ([given[0], *given], [1, *[0, 1] * 15])}, ["one", "other"])

    cut_texts.cut(dict.fromkeys(("ingest", "preprocess"), tmp_path / "texts"), out)

    few = texts.read(out["preprocess"])
    assert len({text.tobytes() for text in few.sequences("train")}) == 8
    assert np.bincount(few.labels("train")).tolist() == [4, 4]


def cut_windows(tmp_path: Path, out: Folders, data: series.Prepared, most: int | None = None) -> series.Prepared:
    """Return the windows that are cut out of series."""
    (tmp_path / "series").mkdir()
    series.write(data, tmp_path / "series")
    cut_series.cut({"preprocess": tmp_path / "series"}, out, most)
    return series.read(out["preprocess"])


@pytest.mark.parametrize("most", [5, 1_000])
def test_windows_lie_all_over_the_training_parts(tmp_path: Path, out: Folders, most: int) -> None:
    data = assembled(np.arange(30.0), np.arange(100.0) + 1_000, history=4, horizon=2, validation=10, test=10)
    own = data.origins("train")
    chosen = own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)]

    few = cut_windows(tmp_path, out, data, most)

    starts = few.origins("train")
    assert (few.histories(starts) == data.histories(chosen)).all()
    assert (few.targets(starts) == data.targets(chosen)).all()
    assert not len(few.origins("validation"))
    assert not len(few.origins("test"))


@pytest.mark.parametrize(("phase", "most"), [(0, None), (1, 5), (3, None), (5, 5)])
def test_filled_weekends_leave_windows_whatever_the_stride(
    tmp_path: Path, out: Folders, phase: int, most: int | None
) -> None:
    values = np.random.default_rng(0).normal(size=400)
    weekends = [day for day in range(400) if (day + phase) % 7 in (0, 1)]
    data = assembled(values, history=14, horizon=1, filled=weekends, validation=60, test=60)

    few = cut_windows(tmp_path, out, data, most)

    assert len(few.origins("train")) == (most or 8)


def test_no_two_windows_show_the_same(tmp_path: Path, out: Folders) -> None:
    values = np.where(np.arange(200) % 25 == 24, np.random.default_rng(0).normal(size=200) + 3, 0)  # mostly nothing

    few = cut_windows(tmp_path, out, assembled(values, history=6, validation=20, test=20))

    shown = few.histories(few.origins("train"))
    assert len(np.unique(shown, axis=0)) == len(shown) > 1


def test_no_more_windows_than_a_plane_meets(tmp_path: Path, out: Folders) -> None:
    few = cut_windows(tmp_path, out, assembled(np.random.default_rng(0).normal(size=100), history=2))

    assert 2 <= len(few.origins("train")) <= 3  # two weights and a bias


def test_rows_of_which_a_plane_meets_each_are_as_many_as_their_rank() -> None:
    """Four names in one-hot columns: five columns and a bias, of rank four."""
    named = np.eye(5)[[1, 1, 2, 3, 2, 4, 4, 1]]

    assert affinely_independent_rows(named).tolist() == [0, 2, 3, 5]
    assert affinely_independent_rows(np.zeros((3, 2))).tolist() == [0]


def test_rows_of_a_category_are_one_a_name(tmp_path: Path, out: Folders) -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"town": random.choice(["a", "b", "c"], 50), "y": random.normal(size=50)})
    layout = rows.Layout("y", [], {"town": ["a", "b", "c"]}, {"y": 0.0}, {"y": 1.0})
    (tmp_path / "rows").mkdir()
    rows.write(rows.Prepared(table, np.repeat(["train", "test"], [40, 10]), layout), tmp_path / "rows")

    cut_rows.cut({"preprocess": tmp_path / "rows"}, out)

    assert sorted(rows.read(out["preprocess"]).table["town"]) == ["a", "b", "c"]


@pytest.mark.parametrize(("columns", "expected"), [(1, 2), (3, 4), (30, 8)])
def test_no_more_rows_than_a_plane_meets(tmp_path: Path, out: Folders, columns: int, expected: int) -> None:
    names = [f"x{number}" for number in range(columns)]
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(50, columns + 1)), columns=[*names, "y"])
    scale = dict.fromkeys(table.columns, 1.0)
    parts = np.repeat(["train", "test"], [40, 10])
    (tmp_path / "rows").mkdir()
    rows.write(rows.Prepared(table, parts, rows.Layout("y", names, {}, scale, scale)), tmp_path / "rows")

    cut_rows.cut({"preprocess": tmp_path / "rows"}, out)

    few = rows.read(out["preprocess"])
    assert few.parts.tolist() == ["train"] * expected
    assert few.table["y"].isin(table["y"][:40]).all()


@pytest.mark.parametrize(("most", "expected"), [(None, 13), (4, 49)])
def test_windows_of_tokens_are_the_first(tmp_path: Path, out: Folders, most: int | None, expected: int) -> None:
    write_stream(tmp_path / "tokens", "windows", {"train": (0, 400), "validation": (400, 500), "test": (500, 600)})

    few_examples.cut({"preprocess": tmp_path / "tokens"}, out, most)

    few = dataset.read(out["preprocess"])
    assert few.stream("train").tolist() == list(range(expected))
    assert validation_of(few, Train()) is None


def test_lines_are_as_many_as_have_the_prefixes(tmp_path: Path, out: Folders) -> None:
    write_stream(tmp_path / "tokens", "prefixes", {"train": (10, 80), "validation": (80, 90), "test": (90, 100)})

    few_examples.cut({"preprocess": tmp_path / "tokens"}, out, limit=12)

    few = dataset.read(out["preprocess"])
    assert [line.tolist() for line in few.lines("train")] == [[*range(6 * line, 6 * line + 6)] for line in (10, 11, 12)]
    assert validation_of(few, Train()) is None


def write_stream(folder: Path, examples: str, bounds: dict[str, tuple[int, int]]) -> None:
    """Write 600 tokens, each another one, in lines of six."""
    folder.mkdir()
    dataset.write_tokens(np.arange(600, dtype=np.int32), folder)
    np.save(folder / "starts.npy", np.arange(101) * 6, allow_pickle=False)
    dataset.write_layout(dataset.Layout("word", 600, examples, 12, bounds, {}, {}), folder)
