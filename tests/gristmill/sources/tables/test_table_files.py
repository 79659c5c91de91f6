"""An own function cleans the frame of each file of a table, and its code is part of the key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gristmill.config.catalogue import load
from gristmill.config.stages import stages_of
from gristmill.errors import DataError, RequestError
from gristmill.registry.version import Version
from gristmill.retraining.known_data import code_files
from gristmill.runs import identity, plan
from gristmill.runs.identity import digests_of, identity_of, resolve_inputs
from gristmill.runs.locations import Located
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import Rows, UnusableRows
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet
from helpers.support import edit

KINDS = {"csv": Csv, "jsonl": Jsonl, "parquet": Parquet}
RAW = pd.DataFrame({"name": ["a", "total", "b"], "size": ["1,5", "9", None]})
KEEP = 'def prepare(frame):\n    return frame[frame["name"] != "total"].rename(columns={"size": "y"})\n'

Read = Callable[..., Rows]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read `RAW` from a file of a kind, cleaned by code; columns `name` (text) and `y` (numbers)."""

    def call(code: str, kind: str = "csv", frame: pd.DataFrame = RAW, **settings: Any) -> Rows:
        file, clean = tmp_path / f"raw.{kind}", tmp_path / "clean.py"
        clean.write_text(code)
        if kind == "csv":
            frame.to_csv(file, index=False, sep=";")
            settings = {"separator": ";", "decimal": ","} | settings
        elif kind == "jsonl":
            frame.to_json(file, orient="records", lines=True)
        else:
            frame.to_parquet(file)
        source = KINDS[kind].model_validate({"kind": kind, "path": file.name, "prepare": "clean.py:prepare"} | settings)
        return source.read([file, clean], ["name"], ["y"])

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_kept_have_their_numbers_of_the_file(read: Read, kind: str) -> None:
    frame = RAW if kind == "csv" else RAW.assign(size=[1.5, 9, None])
    rows = read(KEEP, kind, frame)

    assert rows.frame["name"].tolist() == ["a", "b"]
    assert rows.frame["y"].dropna().tolist() == [1.5]
    first = 2 if kind == "csv" else 1
    assert rows.frame.index.tolist() == [first, first + 2]
    assert rows.where(1).endswith(f"raw.{kind} row {first + 2}")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_a_function_makes_count_from_one_and_are_never_set_aside(read: Read, kind: str) -> None:
    new = 'import pandas as pd\ndef prepare(frame):\n    return pd.DataFrame({"name": ["x", "y"], "y": [1, "many"]})\n'
    with pytest.raises(UnusableRows, match=r"prepared row 2, column 'y': not a finite number: 'many'") as refused:
        read(new, kind)

    assert refused.value.reasons == {}
    rows = read(new.replace('"many"', "2"), kind)
    assert rows.where(1).endswith(f"raw.{kind} after the source's prepare row 2")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('def prepare(frame):\n    return frame["nmae"]\n', r"^prepare raised KeyError: 'nmae' \(clean\.py, line 2\)"),
        ("def prepare(frame):\n    frame.dropna()\n", "^clean.py:prepare returned a NoneType. Expected a pan"),
        (
            "def prepare(frame, more):\n    return frame\n",
            r"clean\.py: prepare\(\) does not accept .*the data frame of a",
        ),
        ("def other(frame):\n    return frame\n", "no function 'prepare'. Correct 'clean.py:prepare'."),
        ("def prepare(frame):\n    return frame\n", "no column 'y'. Columns: 'name', 'size'."),
    ],
)
def test_code_that_does_not_fit_is_refused_by_file_and_function(read: Read, code: str, said: str) -> None:
    with pytest.raises((RequestError, DataError), match=said):
        read(code)


def test_all_reads_of_a_source_that_prepares_once_give_the_same_rows(tmp_path: Path) -> None:
    files, code = [tmp_path / "1.csv", tmp_path / "2.csv"], tmp_path / "clean.py"
    for file in files:
        file.write_text("name,y\n" + "".join(f"{file.stem}{row},{row}\n" for row in range(50)))
    code.write_text("def prepare(frame):\n    return frame.sample(frac=0.5).reset_index(drop=True)\n")
    source = Csv.model_validate({"kind": "csv", "path": "*.csv", "prepare": "clean.py:prepare"}).preparing_once()

    read = source.read([*files, code], ["name"], ["y"]).frame
    assert source.whole([*files, code])["name"].astype("str").tolist() == read["name"].tolist()
    assert sorted(read["name"].str[0]) == ["1"] * 25 + ["2"] * 25
    assert source.preparing_once().whole([*files, code])["y"].tolist() != read["y"].tolist()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(("cells", "texts"), [([3.0, 3.5], ["3", "3.5"]), ([True, False], ["true", "false"])])
def test_values_have_the_same_text_with_and_without_a_function(
    read: Read, tmp_path: Path, kind: str, cells: list[Any], texts: list[str]
) -> None:
    prepared = read("def prepare(frame):\n    return frame\n", kind, pd.DataFrame({"name": cells, "y": [1.0, 2.0]}))
    source = KINDS[kind].model_validate({"kind": kind, "path": "x"})

    assert prepared.frame["name"].tolist() == texts
    assert source.read([tmp_path / f"raw.{kind}"], ["name"], []).frame["name"].tolist() == texts


def test_times_that_a_function_reads_stay_times(read: Read) -> None:
    rows = read('import pandas as pd\ndef prepare(f):\n    return f.assign(name=pd.Timestamp("2024-03-01"), y=1)\n')

    assert rows.frame["name"].dtype.kind == "M"


TOML = """
[pipelines.mine]
domain = "timeseries"
source = { kind = "csv", path = "series.csv", prepare = "clean.py:prepare" }
ingest = { time = "ds", target = "y" }
preprocess = { history = 4 }
model = { kind = "linear" }
"""


def test_an_edit_of_the_code_or_of_what_it_imports_makes_ingest_stale(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    (tmp_path / "series.csv").write_text("ds,y\n2024-01-01,1\n")
    (tmp_path / "clean.py").write_text("import rules\ndef prepare(f):\n    return f\ndef other(f):\n    return f\n")
    (tmp_path / "rules.py").write_text("LIMIT = 1\n")

    def key() -> str:
        catalogue = load(tmp_path)
        pipeline = catalogue.pipeline("mine")
        stage, *_ = stages_of(pipeline.domain, pipeline.tables)
        return resolve_inputs(catalogue, pipeline, stage, {}).identity.key

    before = key()
    assert key() == before
    edit(tmp_path / "rules.py", "1", "2")
    assert (after := key()) != before
    edit(tmp_path / "pipelines.toml", "clean.py:prepare", "clean.py:other")
    assert key() not in (before, after)


@pytest.mark.parametrize(
    "given",
    [
        '"clean.py"',
        '"../clean.py:prepare"',
        '"prepare"',
        "3",
        '{ file = "clean.py" }',
        '{ kind = "clean.txt:prepare" }',
        '{ kind = "clean.py:prepare", factor = 2 }',
        '{ kind = "clean.py:prepare", file = "clean.py", function = "prepare", arguments = { factor = 2 } }',
    ],
)
def test_what_is_no_text_that_names_a_function_of_the_project_is_refused(tmp_path: Path, given: str) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML.replace('"clean.py:prepare"', given))

    with pytest.raises(RequestError, match=r"\[pipelines\.mine\.source\] prepare"):
        load(tmp_path)


def test_unusable_rows_that_a_function_keeps_can_be_set_aside(tmp_path: Path) -> None:
    file, code = tmp_path / "raw.csv", tmp_path / "clean.py"
    file.write_text("name,y\n" + "a,1\n" * 30 + "b,many\n" + "c,2\n" * 20)
    code.write_text("def prepare(frame):\n    return frame\n")
    source = Csv.model_validate({"kind": "csv", "path": "raw.csv", "prepare": "clean.py:prepare"})

    counted = Quarantine(source)
    frame = counted.ingest(0.1, tmp_path, lambda usable: usable.read([file, code], ["name"], ["y"]).frame)
    assert (len(frame), counted.counts) == (50, {"quarantined": 1})


def test_what_a_model_imports_does_not_change_the_key_of_ingest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML.replace('"linear"', '"models.py:build"'))
    (tmp_path / "series.csv").write_text("ds,y\n2024-01-01,1\n")
    (tmp_path / "clean.py").write_text("import pandas\ndef prepare(f):\n    return f\n")
    (tmp_path / "models.py").write_text("import scipy\ndef build(shape):\n    return None\n")
    seen = []
    monkeypatch.setattr(identity, "identity_of", lambda *given: seen.append(given) or identity_of(*given))
    catalogue = load(tmp_path)
    plan.plan(catalogue, catalogue.pipeline("mine"))

    (libraries,) = (imported.libraries for stage, _, _, imported in seen if stage.name == "ingest")
    assert libraries.keys() >= {"pandas"}
    assert "scipy" not in libraries


def test_a_model_gets_only_data_that_is_cleaned_as_its_own_was(tmp_path: Path) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    (tmp_path / "series.csv").write_text("ds,y\n2024-01-01,1\n")
    (tmp_path / "clean.py").write_text("import rules\ndef prepare(f):\n    return f\n")
    (tmp_path / "rules.py").write_text("LIMIT = 1\n")
    catalogue = load(tmp_path)
    source = catalogue.pipeline("mine").tables["source"]
    files = (tmp_path / "clean.py", tmp_path / "rules.py")
    code = digests_of({"source.prepare": Located(files)}, catalogue.store)
    served = Version.model_construct(number=3, pipeline="mine", code=code)

    assert code_files(catalogue, source, served) == files
    edit(files[1], "1", "2")
    with pytest.raises(RequestError) as refused:
        code_files(catalogue, source, served)
    assert str(refused.value) == (
        "clean.py or rules.py has changed since v3 of mine was trained on data that it cleaned. Restore it; "
        "or run: gristmill run mine, then: gristmill promote mine."
    )
    edit(files[1], "2", "1")
    assert code_files(catalogue, source, served) == files
