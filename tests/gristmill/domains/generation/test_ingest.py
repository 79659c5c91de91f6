"""Texts are written with line ends of one character, and counted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gristmill.domains.generation.ingest import ingest
from gristmill.domains.generation.settings import Ingest
from gristmill.errors import DataError
from gristmill.sources.documents.files import Document
from gristmill.util.table_io import read_document, read_table


class Given:
    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def documents(self, paths: Sequence[Path]) -> Iterator[Document]:
        for at, text in enumerate(self.texts, 1):
            yield Document(str(at), text, f"file {at}")


def refusal(folder: Path, *texts: str, most: int = 100) -> str:
    with pytest.raises(DataError) as refused:
        ingest(source=Given(*texts), ingest=Ingest(max_characters=most), out=folder)
    return str(refused.value)


def test_texts_keep_all_but_their_line_ends(tmp_path: Path) -> None:
    counts = ingest(source=Given(" a\r\n\r\nb", "ö\tb\r\n"), ingest=Ingest(), out=tmp_path)
    assert counts == {"documents": 2, "characters": 9, "line_ends_replaced": 3}
    assert read_table(tmp_path / "texts.parquet").to_dict("list") == {"id": ["1", "2"], "text": [" a\n\nb", "ö\tb\n"]}
    assert read_document(tmp_path / "summary.json") == {
        "counts": {
            "documents": 2,
            "characters": 9,
            "lines": 4,
            "different_characters": 6,
            "line_ends_replaced": 3,
        }
    }


def test_a_line_ends_with_any_of_the_three_ends_and_with_no_other_character(tmp_path: Path) -> None:
    counts = ingest(source=Given("a\rb\r\nc\u2028d\x0ce\n\n", "f"), ingest=Ingest(), out=tmp_path)
    assert counts == {"documents": 2, "characters": 12, "line_ends_replaced": 2}
    assert read_table(tmp_path / "texts.parquet")["text"].tolist() == ["a\nb\nc\u2028d\x0ce\n\n", "f"]
    assert read_document(tmp_path / "summary.json")["counts"]["lines"] == 5


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "the source contains no texts. Expected at least one."
    assert refusal(tmp_path, "a", " \n") == "file 2: contains no text. Fill it, or leave it out."
    assert refusal(tmp_path, "a" * 600, "b" * 500, most=1_000) == (
        "file 2: the texts up to here have 1,100 characters, more than ingest.max_characters = 1,000. Use fewer, or "
        "set ingest.max_characters higher."
    )
    assert not list(tmp_path.iterdir())


def test_as_many_characters_as_are_allowed_will_do(tmp_path: Path) -> None:
    assert ingest(source=Given("a" * 99 + "\r\n"), ingest=Ingest(max_characters=100), out=tmp_path)["characters"] == 100
