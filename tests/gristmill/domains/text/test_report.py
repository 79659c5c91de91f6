"""What the report on classifiers of texts shows."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from gristmill.domains.text import report
from gristmill.reports.sections import Section
from gristmill.util.table_io import read_document, read_table, write_document
from helpers.small_scored_texts import TELLING, Folders
from helpers.support import leave_blank

pytest_plugins = ["helpers.small_scored_texts"]


def by_title(folders: Folders) -> dict[str, Section]:
    """Return the sections by title, in their order."""
    return {section.title: section for section in report.sections(folders)}


def changed(run: Folders, stage: str, tmp_path: Path) -> Folders:
    """Return a run with a copy of a stage's folder, to be changed."""
    shutil.copytree(run[stage], tmp_path / stage)
    return run | {stage: tmp_path / stage}


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave pictures blank, where a test looks at none."""
    monkeypatch.setattr(Figure, "savefig", leave_blank)


@pytest.fixture(scope="module")
def shown(opinions: Folders) -> dict[str, Section]:
    return by_title(opinions)


def test_a_run_has_all_sections(shown: dict[str, Section]) -> None:
    assert {title: len(section.pictures) for title, section in shown.items()} == {
        "Scores": 0,
        "Confusion matrix": 1,
        "Calibration": 1,
        "Most confident errors": 0,
        "Slices": 0,
        "Training": 1,
        "Embedding": 1,
        "Keywords": 0,
        "Network": 0,
        "Data": 1,
        "Vocabulary": 0,
    }
    for section in shown.values():
        for picture in section.pictures:
            assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own


def test_a_network_without_an_embedding_has_no_section_on_it(verdicts: Folders, blank_pictures: None) -> None:
    assert "Embedding" not in by_title(verdicts)


def test_examples_stand_with_their_text(shown: dict[str, Section], opinions: Folders) -> None:
    kept = read_table(opinions["evaluate"] / "examples.parquet")
    errors = kept[kept["shown"] == "errors"]

    (table,) = shown["Most confident errors"].tables
    cells = shown["Confusion matrix"].tables[1:]

    assert table.headings == ["", "label", "predicted", "probability", ""]
    assert [row[0] for row in table.rows] == errors["text"].tolist()
    assert table.rows[0][3] == f"{errors['probability'].iloc[0]:.2%}"
    assert [row[0] for cell in cells for row in cell.rows] == kept["text"][kept["shown"] == "cells"].tolist()


def test_the_slice_by_length_is_in_the_order_of_lengths(shown: dict[str, Section]) -> None:
    by_tokens, by_shop = shown["Slices"].tables

    assert (by_tokens.title, by_shop.title) == ("length", "shop")
    assert [row[0] for row in by_tokens.rows] == ["2-4", "5-6", "7-9", "10-11"]


def test_neighbours_are_listed_by_token(shown: dict[str, Section], opinions: Folders) -> None:
    near = read_table(opinions["evaluate"] / "neighbours.parquet")

    (table,) = shown["Embedding"].tables

    assert [row[0] for row in table.rows] == ["film", "dull"]
    first = near.iloc[0]
    assert table.rows[0][1].startswith(f"{first['neighbour']} {first['similarity']:.3f}, ")


def test_the_tokens_that_speak_for_each_class_are_listed(shown: dict[str, Section]) -> None:
    (table,) = shown["Keywords"].tables

    for (name, tokens), words, known in zip(table.rows, TELLING, ["bad", "fair", "good"], strict=True):
        assert name == known
        assert set(tokens.split(", ")[:2]) == set(words)


def test_the_data_is_counted_by_class_and_part(
    shown: dict[str, Section], opinions: Folders, tmp_path: Path, blank_pictures: None
) -> None:
    (table,) = shown["Data"].tables

    assert table.rows == [
        ["bad", "30", "10", "20"],
        ["fair", "15", "5", "10"],
        ["good", "15", "5", "10"],
        ["all", "60", "20", "40"],
    ]
    assert "120 texts of 3 classes, with a median of 6 tokens, truncated at 8; none was dropped." in shown["Data"].note
    run = changed(changed(opinions, "preprocess", tmp_path), "ingest", tmp_path)
    write_document(run["ingest"] / "summary.json", {"dropped": 7})
    told = read_document(run["preprocess"] / "summary.json")
    told["repeated"] = [
        {"part": "validation", "also_in": "train", "count": 1, "pairs": [["a", "b"]]},
        {"part": "test", "also_in": "validation", "count": 2000, "pairs": [["c", "d"]]},
    ]
    told["copies"] = {"count": 1, "pairs": [["e", "f"]]}
    told["cut"] = dict.fromkeys(told["cut"], 0)
    told["disputed"] = {"count": 5, "ids": [["g", "h"], ["i", "j", "k"]]}
    write_document(run["preprocess"] / "summary.json", told)
    assert by_title(run)["Data"].note.endswith(
        " a median of 6 tokens; 7 without text or label were dropped. 1 of the validation set are also in the training "
        "set, such as a (b there), so its score is too optimistic. 2,000 of the test set are also in the validation "
        "set, such as c (d there), so its score is too optimistic. Copies kept in one set with their originals: 1, "
        "such as e (f). Copies with different labels, of which at least one is wrong: 5, such as g, h; i, j, k."
    )


def test_the_vocabulary_is_told_with_what_it_lacks_in_each_part(shown: dict[str, Section], opinions: Folders) -> None:
    told = read_document(opinions["preprocess"] / "summary.json")
    vocabulary = read_table(opinions["preprocess"] / "vocabulary.parquet").iloc[2:]

    parts, often = shown["Vocabulary"].tables

    assert [row[0] for row in parts.rows] == ["training", "validation", "test"]
    assert [row[2] for row in parts.rows] == [f"{told['cut'][part]}" for part in ("train", "validation", "test")]
    assert len(often.rows) == len(vocabulary) == 12
    assert often.rows[0][1] == f"{vocabulary['count'].max()}"
    assert "12 tokens (words), fitted on the training set" in shown["Vocabulary"].note


def test_the_headline_picture_is_a_png(opinions: Folders) -> None:
    assert report.headline_picture({"evaluate": opinions["evaluate"]}).startswith(b"\x89PNG")
