"""What is proposed for texts: in tables, in folders, and plain ones."""

from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest

from gristmill.errors import DataError, RequestError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Proposal
from gristmill.scaffold.text import propose

TEXTS = [f"a {word} thing, number {at}, is {word}" for at in range(30) for word in ("good", "bad")]
TABLE = {
    "link": [f"https://example.org/a/very/long/address/of/the/text/number/{at}" for at in range(60)],
    "text": TEXTS,
    "source": ["paper", "radio", "web"] * 20,
    "mood": ["good", "bad"] * 30,
}


def proposed(folder: Path, columns: dict[str, list[str]] | None = None, target: str | None = None) -> Proposal:
    if columns:
        pd.DataFrame(columns).to_csv(folder / "given.csv", index=False)
    return propose(data_at(str(folder / "given.csv"), folder), target)


def write_folder(folder: Path, *classes: str, encoding: str = "utf-8") -> None:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for at in range(4):
            (folder / name / f"{at}.txt").write_text(f"Ein schöner Text, {name} {at}", encoding=encoding)


def test_texts_are_the_cells_of_most_words_and_classes_the_fewest_names(tmp_path: Path) -> None:
    draft = proposed(tmp_path, TABLE)

    assert draft.domain == "text"
    assert draft.values()["ingest"] == {"text": "text", "label": "mood"}
    assert draft.notes == ["Not used: 'link', 'source'; name one in `ingest.metadata` to slice scores by it."]
    assert draft.summary == "given.csv: 60 texts: 30 'bad', 30 'good'"
    assert draft.values()["preprocess"] == {"validation": 0.1, "test": 0.2}


def test_a_column_named_like_classes_comes_before_one_of_fewer(tmp_path: Path) -> None:
    draft = proposed(tmp_path, TABLE | {"Category": ["x", "y", "X"] * 20})

    assert draft.values()["ingest"]["label"] == "Category"
    assert draft.notes[0].startswith("Classes of 'Category' that differ only in case or spaces: 'x'/'X'. Correct")
    assert proposed(tmp_path, target="mood").values()["ingest"]["label"] == "mood"
    with pytest.raises(DataError, match="the column 'text' has another role"):
        proposed(tmp_path, target="text")


def test_parts_and_empty_cells_of_a_table_are_seen(tmp_path: Path) -> None:
    parts = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    draft = proposed(tmp_path, TABLE | {"text": [" ", *TEXTS[1:]], "split": parts})

    assert draft.values()["ingest"] == {"text": "text", "label": "mood", "part": "split", "missing": "drop"}
    assert draft.values()["preprocess"] == {}  # nothing is drawn where the data names its parts


def test_a_class_of_one_text_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(tmp_path / "texts", "a", "b")
    (tmp_path / "texts/c").mkdir()
    (tmp_path / "texts/c/only.txt").write_text("Ein einsamer Text")
    draft = propose(data_at(str(tmp_path / "texts"), tmp_path))

    assert draft.notes[0].startswith("1 class has fewer than 2 texts: 1 'c'. They are only trained on and cannot be")
    assert caplog.messages == []


def test_texts_without_spaces_are_read_by_characters(tmp_path: Path) -> None:
    draft = proposed(
        tmp_path,
        {"text": ["今天天气很好我们一起去公园散步吧好不好呢朋友们都在那里等着"] * 60, "label": ["a", "b"] * 30},
    )

    assert draft.values()["preprocess"]["level"] == "character"


@pytest.mark.parametrize("packed", [False, True])
def test_folders_name_classes_and_parts(tmp_path: Path, packed: bool) -> None:
    write_folder(tmp_path / "mails", "train/spam", "train/ham", "test/spam", "test/ham", encoding="cp1252")
    place = tmp_path / "mails"
    if packed:
        place = tmp_path / "mails.zip"
        with ZipFile(place, "w") as archive:
            for path in sorted((tmp_path / "mails").rglob("*.txt")):
                archive.write(path, path.relative_to(tmp_path / "mails"))
    draft = propose(data_at(str(place), tmp_path), None)

    assert draft.values()["source"] == {"kind": "folder", "path": place.name, "parts": True, "encoding": "cp1252"}
    assert draft.summary == f"{place.name}: 16 texts: 8 'ham', 8 'spam'"
    assert draft.values()["preprocess"] == {"validation": 0.1}


def test_a_plain_text_is_to_be_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("Es war einmal ein König.\n" * 400, encoding="utf-16")
    draft = propose(data_at(str(tmp_path / "book.txt"), tmp_path), None)

    assert draft.domain == "generation"
    assert draft.values()["source"] == {"kind": "files", "path": "book.txt", "encoding": "utf-16"}
    assert draft.summary == "book.txt: 10,000 characters"
    assert "the domain is `generation`" in draft.notes[0]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": TEXTS, "label": ["one"] * 60}, "no column of classes"),
        ({"text": TEXTS}, "no column of classes, which repeats a few values (different values: 'text' 60)"),
        ({"x": [str(at) for at in range(60)], "label": ["1", "2"] * 30}, "no column of texts among 'x', 'label'"),
    ],
)
def test_what_cannot_be_sorted_is_refused_in_one_line(tmp_path: Path, columns: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError) as raised:
        proposed(tmp_path, columns)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("names", [("spam", "ham"), ("letters",)])
def test_no_column_can_be_asked_for_where_texts_are_files(tmp_path: Path, names: tuple[str, ...]) -> None:
    write_folder(tmp_path / "mails", *names)
    with pytest.raises(RequestError, match=r"^--target mood: there are no columns here, .*\. Leave --target out\.$"):
        propose(data_at(str(tmp_path / "mails"), tmp_path), "mood")


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("short")
    with pytest.raises(DataError, match="5 characters are too few to learn from"):
        propose(data_at(str(tmp_path / "note.txt"), tmp_path), None)


def test_a_text_beside_the_classes_is_no_class(tmp_path: Path) -> None:
    write_folder(tmp_path / "mails", "spam", "ham")
    (tmp_path / "mails/readme.txt").write_text("of mails")
    with pytest.raises(
        DataError, match=r"but 1 of them in '.*mails', at another depth than the classes\. Put those of each"
    ):
        propose(data_at(str(tmp_path / "mails"), tmp_path), None)


def test_one_file_that_is_not_utf_8_is_named_and_an_empty_one_is_dropped(tmp_path: Path) -> None:
    write_folder(tmp_path / "mails", "spam", "ham")
    (tmp_path / "mails/ham/2.txt").write_text("\n")
    draft = propose(data_at(str(tmp_path / "mails"), tmp_path), None)

    assert draft.values()["ingest"] == {"missing": "drop"}
    assert draft.tables["ingest"][0].why == "without text or label: 1 of 8"

    (tmp_path / "mails/spam/2.txt").write_text("für", encoding="cp1252")
    with pytest.raises(DataError, match=r"mails/spam/2\.txt: not UTF-8 \(1 of 8 files\), but other files are\. Save"):
        propose(data_at(str(tmp_path / "mails"), tmp_path), None)
