"""Rows that cannot be used are set aside and listed, up to a share of all rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.domains.tabular import ingest as tabular
from gristmill.domains.tabular.settings import Ingest as TabularIngest
from gristmill.domains.text import ingest as text
from gristmill.domains.text.settings import Ingest as TextIngest
from gristmill.domains.timeseries.ingest import ingest
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet

DAYS = [str(day.date()) for day in pd.date_range("2026-01-01", periods=100)]
BAD = {3: "soon,3", 8: "2026-01-08", 12: '2026-01-12,"1\n2",3', 20: "2026-01-20,many", 30: "2026-01-01,7"}  # by place
REASONS = {
    "2": "another row of that time has other values",
    "5": "column 'day': not a time in the format of the others",
    "10": "1 fields, but the header has 2",
    "14": "3 fields, but the header has 2",
    "22": "column 'y': not a finite number",
    "32": "another row of that time has other values",
}


def write(file: Path) -> None:
    lines = [BAD.get(place, f"{day},{place}") for place, day in enumerate(DAYS)]
    file.write_text("\n".join(["day,y", *lines]) + "\n")


def read(paths: list[Path], out: Path, share: float, source: Any = None, **settings: Any) -> dict[str, int]:
    source = source or Csv(kind="csv", path="x.csv")
    given = {"time": "day", "target": "y", "gaps": "interpolate", "frequency": "D", "quarantine": share} | settings
    out.mkdir()
    return ingest(source=source, ingest=Ingest.model_validate(given), out=out, paths=tuple(paths))


def listed(out: Path) -> list[dict[str, str]]:
    with (out / "quarantine.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_a_csv_file_are_listed_with_their_reasons(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")

    counts = read([tmp_path / "a.csv"], tmp_path / "out", 0.06)

    assert counts == {"rows": 99, "filled": 5, "quarantined": 6}
    rows = listed(tmp_path / "out")
    assert {row["row"]: row["reason"] for row in rows} == REASONS
    assert {row["content"] for row in rows} >= {"soon,3", "2026-01-12,1\n2,3"}
    assert {row["file"] for row in rows} == {""}
    with pytest.raises(DataError, match=r"At least 6 of 100 rows cannot be used; ingest.quarantine = 0.05 allows 5\.$"):
        read([tmp_path / "a.csv"], tmp_path / "fewer", 0.05)
    with pytest.raises(DataError) as raised:
        read([tmp_path / "a.csv"], tmp_path / "gaps", 0.06, gaps="error")
    assert str(raised.value).startswith(
        f"{tmp_path}/a.csv: 5 of 99 values of 'y' are missing at frequency D, the first"
    )
    assert str(raised.value).endswith(f"before: 6, the first: {tmp_path}/a.csv row 10, {REASONS['10']}.")
    with pytest.raises(DataError, match=r"a.csv row 10: 1 fields, but .* separator\.$"):
        read([tmp_path / "a.csv"], tmp_path / "none", 0.0)


def test_rows_of_several_files_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    paths[0].write_text("day,y\n" + "".join(f"{day},1\n" for day in DAYS))
    paths[1].write_text("day,y\n" + "".join(f"{day.replace('2026', '2027')},1\n" for day in DAYS[1:]) + "x\ny,1\n")

    counts = read(paths, tmp_path / "out", 0.1, gaps="drop")

    assert counts["quarantined"] == 2
    assert [(row["file"], row["row"], row["content"]) for row in listed(tmp_path / "out")] == [
        ("b.csv", "101", "x"),
        ("b.csv", "102", "y,1"),
    ]


def test_ten_unusable_rows_at_the_end_are_refused_however_many_rows_there_are(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    good = "day,y\n" + "".join(f"{day},1\n" for day in DAYS)
    paths[0].write_text(good + "soon,1\n" * 9)
    assert read(paths[:1], tmp_path / "nine", 0.5)["quarantined"] == 9

    paths[1].write_text("day,y\nlater,1\n")
    with pytest.raises(DataError, match=r"b.csv: the last 10 rows of it and the files before it cannot"):
        read(paths, tmp_path / "both", 0.5)
    paths[0].write_text(good + "soon,1\n" * 10)
    with pytest.raises(
        DataError, match=r"a.csv: the last 10 rows cannot be used, such as row 111: column 'day': not a"
    ):
        read(paths[:1], tmp_path / "ten", 0.5)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_of_other_files_are_set_aside_too(tmp_path: Path, kind: str) -> None:
    if kind == "jsonl":
        lines = [json.dumps({"day": day, "y": 1}) for day in DAYS]
        lines[3], lines[9] = lines[3][:20], lines[9].replace("1}", '"many"}')
        (tmp_path / "a").write_text("\n".join(lines))
        source: Any = Jsonl(kind="jsonl", path="x.jsonl")
        contents = [lines[3], lines[9]]
    else:
        days = [*DAYS]
        days[3] = "soon"
        pd.DataFrame({"day": days, "y": [1.0] * 9 + [float("inf")] + [1.0] * 90, "z": 2}).to_parquet(tmp_path / "a")
        source = Parquet(kind="parquet", path="x.parquet")
        contents = ['{"day": "soon", "y": 1.0, "z": 2}', '{"day": "2026-01-10", "y": Infinity, "z": 2}']

    assert read([tmp_path / "a"], tmp_path / "out", 0.02, source)["quarantined"] == 2
    assert [(row["row"], row["content"]) for row in listed(tmp_path / "out")] == list(
        zip(("4", "10"), contents, strict=True)
    )


def test_rows_of_tables_and_texts_are_set_aside_too(tmp_path: Path) -> None:
    file, source = tmp_path / "a.csv", Csv(kind="csv", path="x.csv")
    file.write_text("text,label,x\n" + "good,1,1\nbad,0,2\n" * 20 + ",1,3\nlong text,0,4\nfine,1,\nfine,1\n")
    table = TabularIngest(target="label", numbers=("x",), quarantine=0.1)
    texts = TextIngest(max_characters=5, quarantine=0.1)
    found = {}
    for name, core, settings in (("table", tabular.ingest, table), ("text", text.ingest, texts)):
        (out := tmp_path / name).mkdir()
        counts = core(source=source, ingest=settings, out=out, paths=(file,))  # type: ignore[operator]
        found[name] = (counts["quarantined"], [row["reason"] for row in listed(out)])

    short = "2 fields, but the header has 3"
    assert found["table"] == (1, [short])  # an empty cell is an input
    assert found["text"] == (3, ["no text or no label", "more than 5 characters", short])


def test_data_without_unusable_rows_has_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,y\n" + "".join(f"{day},1\n" for day in DAYS))

    assert read([tmp_path / "a.csv"], tmp_path / "out", 1.0) == {"rows": 100}
    assert not (tmp_path / "out/quarantine.csv").exists()
    (tmp_path / "a.csv").write_text("day,y\n" + "".join("soon,1\n" for _ in DAYS))
    with pytest.raises(DataError, match="the format cannot be guessed"):
        read([tmp_path / "a.csv"], tmp_path / "bad", 1.0)


def test_times_off_the_grid_are_set_aside(tmp_path: Path) -> None:
    hours = [f"2026-01-01T{hour:02d}:00" for hour in range(24)]
    hours[5] = "2026-01-01T05:07"
    (tmp_path / "a.csv").write_text("day,y\n" + "".join(f"{hour},1\n" for hour in hours))

    assert read([tmp_path / "a.csv"], tmp_path / "out", 0.05, frequency="h") == {
        "rows": 24,
        "filled": 1,
        "quarantined": 1,
    }
    assert [row["reason"] for row in listed(tmp_path / "out")] == ["a time that is not on the grid of frequency h"]
