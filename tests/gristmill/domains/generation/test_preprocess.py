"""The tokens of three parts, one after the other, are the text; the tokenizer has seen none but the first."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.generation import dataset, preprocess
from gristmill.domains.generation.dataset import PARTS, Prepared
from gristmill.domains.generation.settings import Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.util.table_io import read_document, write_table

LINES = [f"Line {at} goes on, and ends." for at in range(60)]
TEXT = "\n".join(LINES) + "\n"
WORDS = {"level": "word", "examples": "prefixes", "lower": True, "punctuation": "strip"}


def preprocessed(texts: list[str], place: Path, **settings: Any) -> tuple[Prepared, dict[str, int]]:
    ingest, out = place / "ingest", place / "out"
    ingest.mkdir()
    out.mkdir()
    write_table(ingest / "texts.parquet", pd.DataFrame({"id": [str(at) for at in range(len(texts))], "text": texts}))
    counts = preprocess.preprocess(preprocess=Preprocess(**{"length": 10} | settings), ingest=ingest, out=out)
    return dataset.read(out), counts


def written(data: Prepared, part: str) -> str:
    text: bytes = data.tokenizer().decode(data.stream(part)[np.newaxis]).numpy()[0]
    return text.decode()


@pytest.mark.parametrize("settings", [{}, {"level": "word"}, {"level": "subword", "vocabulary": 60}])
def test_the_stream_of_all_parts_is_the_text(tmp_path: Path, settings: dict[str, Any]) -> None:
    train, validation, test = preprocess.split_text(TEXT, Preprocess(validation=0.2, test=0.3)).values()

    data, counts = preprocessed([TEXT], tmp_path, validation=0.2, test=0.3, **settings)

    assert written(data, "train") == train
    if not settings:  # characters are all known
        assert (written(data, "validation"), written(data, "test")) == (validation, test)
    assert data.layout.characters == {"train": len(train), "validation": len(validation), "test": len(test)}
    assert data.layout.tokens == {part: len(data.stream(part)) for part in PARTS}
    assert counts == {f"{part}_tokens": len(data.stream(part)) for part in PARTS} | {"vocabulary": len(data.vocabulary)}
    assert data.layout.after_each


def test_texts_stand_end_to_end_with_a_line_end_between(tmp_path: Path) -> None:
    data, _ = preprocessed(["No line end", TEXT, "Line 1 ends.\n" * 20], tmp_path)

    assert "".join(written(data, part) for part in PARTS) == "No line end\n" + TEXT + "Line 1 ends.\n" * 20


def test_parts_begin_with_a_line_where_one_is_near() -> None:
    settings = Preprocess(validation=0.2, test=0.3)

    parts = preprocess.split_text(TEXT, settings)

    assert "".join(parts.values()) == TEXT
    assert [text[:5] for text in parts.values()] == ["Line "] * 3
    assert abs(len(parts["test"]) / len(TEXT) - 0.3) < 0.02
    assert {part: len(text) for part, text in preprocess.split_text("x" * 100, settings).items()} == {
        "train": 50, "validation": 20, "test": 30,
    }  # fmt: skip


def test_parts_that_begin_with_a_line_already_stay() -> None:
    assert list(preprocess.split_text("a\n" * 100, Preprocess(validation=0.2, test=0.3)).values()) == [
        "a\n" * 50,
        "a\n" * 20,
        "a\n" * 30,
    ]


def test_the_tokenizer_has_seen_the_first_part_alone(tmp_path: Path) -> None:
    text = "abab\n" * 40 + "abxy\n" * 5

    data, _ = preprocessed([text], tmp_path, validation=0.2, test=0.2)

    assert data.vocabulary.to_dict("list") == {"token": ["", "[UNK]", "a", "b", "\n"], "count": [0, 0, 54, 54, 27]}
    assert read_document(tmp_path / "out/summary.json")["unknown"] == {"train": 0.0, "validation": 0.0, "test": 10 / 45}


def test_prefixes_are_kept_as_lines(tmp_path: Path) -> None:
    lines = [*LINES, "Word", "", "  "]  # of the last ones none has a token that another one precedes

    data, counts = preprocessed(["\n".join([*lines, *LINES])], tmp_path, **WORDS, validation=0.1, test=0.1)

    bounds = data.layout.bounds
    assert (bounds["train"][0], bounds["test"][1]) == (0, 120)
    assert {part: len(data.lines(part)) for part in PARTS} == {part: counts[f"{part}_lines"] for part in PARTS}
    names = data.tokenizer().tokens
    first = data.lines("train")[0]
    assert [names[token] for token in first] == ["line", "0", "goes", "on", "and", "ends"]
    assert len(data.stream("test")) == data.layout.tokens["test"] == data.lines("test").lengths.sum()
    assert data.layout.characters["train"] == sum(map(len, [*LINES, *LINES][: len(data.lines("train"))]))
    assert not data.layout.after_each


def test_the_same_text_and_settings_give_the_same_files(tmp_path: Path) -> None:
    files = []
    for place in (tmp_path / "first", tmp_path / "second"):
        place.mkdir()
        preprocessed([TEXT], place, **WORDS)
        files.append({path.name: path.read_bytes() for path in (place / "out").iterdir()})

    assert files[0] == files[1]
    assert {"tokens.parquet", "starts.npy", "layout.json", "tokenizer.json", "vocabulary.parquet"} <= set(files[0])


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (
            "abcdefghij\n" * 10,
            {"length": 80},
            "the train set has 77 characters. Expected more than preprocess.length = 80. Add text, or set a smaller "
            "preprocess.length or smaller preprocess.validation and preprocess.test.",
        ),
        (
            "abcdefghij\n" * 10,
            {"length": 11},
            "the validation set has 11 characters. Expected more than preprocess.length = 11. Add text, or set a "
            "smaller preprocess.length or a larger preprocess.validation.",
        ),
        (
            "ab cd\n" * 9 + "ef\n\n\n",
            WORDS,
            "the test set has no line of two or more words, so there is nothing to predict. Add text, or set a larger "
            "preprocess.test.",
        ),
    ],
)
def test_a_text_shorter_than_one_example_is_refused(
    tmp_path: Path, text: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        preprocessed([text], tmp_path, validation=0.1, test=0.2 if settings is not WORDS else 0.08, **settings)

    assert str(refused.value) == message


def test_parts_that_leave_nothing_to_train_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as refused:
        preprocessed([TEXT], tmp_path, validation=0.5, test=0.5)

    assert str(refused.value) == (
        "preprocess.validation = 0.5 and preprocess.test = 0.5 leave no text for training. Set smaller shares."
    )
