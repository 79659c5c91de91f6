"""The report of a network that writes says what the artifacts hold, and shows samples as they are."""

import pytest

from gristmill.domains.generation import dataset, report
from gristmill.reports.sections import Passage, Section
from gristmill.settings.number_text import format_numbers
from gristmill.util.table_io import read_document, read_table
from helpers.small_writers import Folders

pytest_plugins = ["helpers.small_writers"]


def by_title(folders: Folders) -> dict[str, Section]:
    return {section.title: section for section in report.sections(folders)}


@pytest.fixture(scope="module")
def shown(written: Folders) -> dict[str, Section]:
    return by_title(written)


def test_the_sections_come_in_the_order_of_what_is_asked_first(shown: dict[str, Section]) -> None:
    assert list(shown) == ["Scores", "Samples", "Bits along the test set", "Training", "Network", "Data"]


def test_the_scores_stand_beside_the_baselines_the_best_one_first(shown: dict[str, Section], written: Folders) -> None:
    scores = read_document(written["evaluate"] / "scores.json")
    model, best = scores["headline"]["model"], scores["headline"]["baseline"]
    own, others = format_numbers([model, best])

    assert shown["Scores"].note == (
        f"The model is worse than its best baseline, 4-gram, on the test set by {model / best - 1:,.1%}: "
        f"bits per character {own} against {others}. Nothing was fitted on the test set. The baselines count "
        "n-grams in the training and the validation set."
    )
    test, validation = shown["Scores"].tables
    assert (test.title, validation.title) == ("Test set", "Validation set")
    assert test.headings == ["model or baseline", "bits per character", "bits per token", "perplexity", "accuracy"]
    assert [row[0] for row in test.rows] == ["model", "4-gram", "bigram", "unigram"]
    assert [float(cell) for cell in test.rows[0][1:3]] == pytest.approx([model] * 2, abs=5e-4)
    assert float(test.rows[0][4]) == pytest.approx(scores["model"]["test"]["accuracy"], abs=5e-4)


def test_lines_have_no_bits_a_character(in_lines: Folders) -> None:
    table = by_title(in_lines)["Scores"].tables[0]

    assert table.headings == ["model or baseline", "bits per token", "perplexity", "accuracy"]


def test_samples_are_passages_as_they_were_written(shown: dict[str, Section], written: Folders) -> None:
    samples = read_table(written["evaluate"] / "samples.parquet")

    assert shown["Samples"].passages == [
        Passage("Prompt", "the "),
        Passage("Temperature 0.5", samples["text"][0]),
        Passage("Temperature 1", samples["text"][1]),
    ]


def test_the_data_are_counted_by_part(shown: dict[str, Section], written: Folders) -> None:
    layout = dataset.read(written["preprocess"]).layout
    counts, frequent = shown["Data"].tables

    assert shown["Data"].note == (
        f"The vocabulary has {layout.vocabulary} characters, including padding and unknown. The network reads windows "
        "of the stream of up to 8 tokens."
    )
    assert counts.rows[0] == ["training", f"{layout.characters['train']}", f"{layout.tokens['train']}", "0.00%", "–"]
    assert counts.rows[2][-1] == f"{layout.tokens['test']}"
    assert ["␣", frequent.rows[2][1]] in frequent.rows
    assert "\\n" in [name for name, _ in frequent.rows]


def test_what_is_unknown_is_told_of_each_part(in_lines: Folders) -> None:
    counts = by_title(in_lines)["Data"].tables[0]

    assert counts.headings == ["part", "characters", "tokens", "unknown", "predicted tokens"]
    assert [row[3] for row in counts.rows] == ["0.00%", "0.00%", f"{5 / int(counts.rows[2][2]):.2%}"]


def test_the_headline_picture_is_a_png_of_the_evaluation_alone(written: Folders) -> None:
    assert report.headline_picture({"evaluate": written["evaluate"]}).startswith(b"\x89PNG\r\n\x1a\n")
