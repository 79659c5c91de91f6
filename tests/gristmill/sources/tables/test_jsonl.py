"""Objects a line become rows; what is no such line, or no such cell, is told by file and row."""

import gzip
from pathlib import Path

import pytest

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.rows import Rows
from gristmill.sources.tables.jsonl import Jsonl

LINES = (
    '{"text": "a b", "label": 1, "score": 2}\n\n{"score": null, "text": "c\\u00e9\\u2028", "label": 0, "more": []}\r\n'
)


def read(
    folder: Path,
    content: str | bytes,
    texts: list[str],
    numbers: list[str],
    name: str = "a.jsonl",
    encoding: str = "utf-8",
) -> Rows:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return Jsonl(kind="jsonl", path=name, encoding=encoding).read([folder / name], texts, numbers)


def refusal(folder: Path, content: str | bytes, text: str = "text", number: str = "score") -> str:
    with pytest.raises(DataError) as refused:
        read(folder, content, [text], [number])
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value).removeprefix(f"{folder}/a.jsonl")


def test_keys_are_columns_and_lines_rows(tmp_path: Path) -> None:
    rows = read(tmp_path, LINES, ["text", "label"], ["score"])
    assert rows.frame.index.tolist() == [1, 3]  # as lines are counted
    assert rows.frame["text"].tolist() == ["a b", "cé\u2028"]
    assert rows.frame["label"].tolist() == ["1", "0"]
    assert rows.frame["score"].iloc[0] == 2.0
    assert rows.frame["score"].isna().tolist() == [False, True]
    assert [str(dtype) for dtype in rows.frame.dtypes] == ["str", "str", "float64"]
    assert rows.where(1) == f"{tmp_path}/a.jsonl row 3"


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8-sig", "a.jsonl"), ("utf-16", "a.ndjson"), ("utf-8", "a.jsonl.gz")]
)
def test_encodings_and_packed_files_are_read(tmp_path: Path, encoding: str, name: str) -> None:
    content = LINES.encode(encoding)
    content = gzip.compress(content) if name.endswith(".gz") else content
    wanted = "utf-8" if encoding == "utf-8-sig" else encoding
    assert read(tmp_path, content, ["text"], [], name, wanted).frame["text"].tolist() == ["a b", "cé\u2028"]


def test_marks_are_missing_numbers_and_empty_cells_in_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"a": "NA", "b": "NA", "n": " NA"}\n{"a": null, "b": 3, "n": 1}\n{"a": true, "b": "", "n": null}\n'
    )
    source = Jsonl(kind="jsonl", path="a.jsonl", missing=["NA"], missing_in=["a"])

    frame = source.read([path], ["a", "b"], ["n"]).frame

    assert frame["a"].fillna("").tolist() == ["", "", "true"]
    assert frame["b"].fillna("").tolist() == ["NA", "3", ""]
    assert frame["n"].fillna(0).tolist() == [0, 1, 0]


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    rows = read(tmp_path, '{"a": "", "n": 1}\n{"a": null, "n": NaN}\n{"n": true}\n{"a": "x"}', ["a"], ["n"])
    assert rows.frame["a"].isna().tolist() == [True, True, True, False]
    assert rows.frame["n"].fillna(-1).tolist() == [1, -1, 1, -1]


def test_numbers_and_truths_stand_in_text_as_json_writes_them(tmp_path: Path) -> None:
    rows = read(tmp_path, '{"a": 12345678901234567890}\n{"a": true}\n{"a": 0.5}\n{"a": 1.0}', ["a"], [])
    assert rows.frame["a"].tolist() == ["12345678901234567890", "true", "0.5", "1"]


def test_several_files_are_one_table(tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "in/b.ndjson", tmp_path / "c.jsonl"]
    (tmp_path / "in").mkdir()
    for path, content in zip(files, ['{"t": "1"}\n{"t": "2"}', "\n", '\n{"t": "3"}'], strict=True):
        path.write_text(content)
    rows = Jsonl(kind="jsonl", path=".").read(files, ["t"], [])
    assert rows.frame["t"].tolist() == ["1", "2", "3"]
    assert rows.where(2) == f"{tmp_path}/c.jsonl row 2"
    assert rows.ids() == ["a.jsonl 1", "a.jsonl 2", "c.jsonl 2"]
    found = locate(".", tmp_path, "test", tmp_path, suffixes=Jsonl.suffixes).files
    assert [path.name for path in found] == ["a.jsonl", "c.jsonl", "b.ndjson"]


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\n", ": no rows. Expected at least one."),
        (
            '{"text": "a", "score": 1}\n{"text": ',
            " row 2: not JSON (Expecting value at character 10). Expected one object per line.",
        ),
        ("[", " row 1: not JSON (Expecting value at character 2). Expected one object per line."),
        ("[1]\n[2]", " row 1: [1] is not an object. Expected one object per line."),
        (
            '[\n{"text": "a"},\n{"text": "b"}\n]',
            ": a single JSON array. Write each of its objects on its own line, without brackets.",
        ),
        (
            '{"page": {}, "result": {"items": [{"text": "a"}]}}',
            ": a single JSON object that holds the rows under the key 'result.items'. Write each of these rows on its "
            "own line.",
        ),
        ('{"text": ["a"]}', ": a single JSON object. Write one object per row, each on its own line."),
        ('{\n"text": "a"\n}', ": a single JSON object. Write one object per row, each on its own line."),
        ("[" * 100_000, " row 1: JSON that is too large to read. Fix the line."),
        pytest.param(
            '{"text": "a", "score": 1, "score": 2}',
            " row 1: the key 'score' is in an object twice. Fix it.",
            marks=pytest.mark.fault(31),
        ),
        pytest.param(
            '{"text": "a", "more": [{"a": 1, "a": 1}]}',
            " row 1: the key 'a' is in an object twice. Fix it.",
            marks=pytest.mark.fault(31),
        ),
        ('{"n": ' + "1" * 5000 + "}", " row 1: JSON that is too large to read. Fix the line."),
        ('{"text": "a"}\n{"text": "b"}', ": no column 'score'. Columns: 'text'."),
        (b'{"text": "a", "score": 1}\n{"text": "\xe9"}', " row 2: not utf-8. Set the source's encoding."),
        (
            '{"text": ["a"], "score": 1}',
            " row 1, column 'text': ['a']. Expected text or a number: name another column.",
        ),
        (
            '{"text": "a", "score": {"all": 1}}',
            " row 1, column 'score': {'all': 1}. Expected text or a number: flatten the objects, for example with "
            "pandas.json_normalize, or name another column.",
        ),
        ('{"text": "\\ud83d", "score": 1}', " row 1, column 'text': half of a surrogate pair. Fix it."),
        ('{"text": "a", "score": "1"}', " row 1, column 'score': not a finite number: '1'. Fix it or leave it out."),
        (
            '{"text": "a", "score": Infinity}',
            " row 1, column 'score': not a finite number: inf. Fix it or leave it out.",
        ),
        (
            '{"text": "a", "score": 1' + "0" * 400 + "}",
            f" row 1, column 'score': not a finite number: 1{'0' * 56}.... Fix it or leave it out.",
        ),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert refusal(tmp_path, content) == message


def test_other_columns_may_hold_anything(tmp_path: Path) -> None:
    assert read(tmp_path, LINES, ["text"], []).frame.columns.tolist() == ["text"]
    assert refusal(tmp_path, LINES, number="more") == (
        " row 3, column 'more': []. Expected text or a number: name another column."
    )


@pytest.mark.shared_data
def test_real_headlines() -> None:
    rows = Jsonl(kind="jsonl", path="x").read([SHARED / "data/sarcasm.jsonl"], ["headline", "is_sarcastic"], [])
    assert rows.frame["is_sarcastic"].value_counts().to_dict() == {"0": 14985, "1": 11724}
