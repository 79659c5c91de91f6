"""A column that the deny-list matches is refused wherever a pipeline names it, when the file is read."""

from pathlib import Path

import pytest

from gristmill.config.catalogue import load
from gristmill.errors import RequestError

HEAD = '[pipelines.it]\ndomain = "{}"\nsource = {{{{ kind = "{}", path = "x"{} }}}}\n'
TEXTS = HEAD.format("text", "csv", "") + 'ingest = {{ {} }}\nmodel.kind = "lstm"\n'
ROWS = HEAD.format("tabular", "csv", "") + 'ingest = {{ {} }}\nmodel.kind = "dense"\n'
SERIES = HEAD.format("timeseries", "csv", "") + 'ingest = {{ {} }}\npreprocess.history = 3\nmodel.kind = "linear"\n'
PHOTOS = HEAD.format("vision", "listing", ", {}") + 'preprocess.size = 8\nmodel.kind = "cnn"\n'


def write(folder: Path, pipeline: str, deny: str = '["customer_*", "email"]') -> None:
    (folder / "pipelines.toml").write_text(f"[defaults]\ndeny = {deny}\n{pipeline}")


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        (ROWS.format('target = "email", numbers = "a"'), "ingest] target: the column 'email' is denied by 'email'"),
        (
            ROWS.format('target = "a", numbers = "Customer_Id"'),
            "ingest] numbers: the column 'Customer_Id' is denied by ",
        ),
        (ROWS.format('target = "a", categories = ["b", "email"]'), "ingest] categories: the column 'email'"),
        (SERIES.format('time = "t", target = "customer_a"'), "ingest] target: the column 'customer_a'"),
        (SERIES.format('time = "customer_t", target = "a"'), "ingest] time: the column 'customer_t'"),
        (SERIES.format('time = "t", target = "a", series = "email"'), "ingest] series: the column 'email'"),
        (SERIES.format('time = "t", target = "a", inputs = "email"'), "ingest] inputs: the column 'email'"),
        (SERIES.format('time = "t", target = "a", known = "email"'), "ingest] known: the column 'email'"),
        (TEXTS.format('text = "email"'), "ingest] text: the column 'email'"),
        (TEXTS.format('label = "email"'), "ingest] label: the column 'email'"),
        (TEXTS.format('part = "email"'), "ingest] part: the column 'email'"),
        (TEXTS.format('metadata = ["a", "email"]'), "ingest] metadata: the column 'email'"),
        (PHOTOS.format('metadata = ["a", "email"]'), "source] metadata: the column 'email'"),
        (PHOTOS.format('label = "email"'), "source] label: the column 'email'"),
        (PHOTOS.format('image = "email"') + 'evaluate.slices = "a"\n', "source] image: the column 'email'"),
        (PHOTOS.format('label = "a"') + 'evaluate.slices = ["email"]\n', "evaluate] slices: the column 'email'"),
    ],
)
def test_a_denied_column_is_one_line_with_pipeline_key_column_and_pattern(
    tmp_path: Path, pipeline: str, said: str
) -> None:
    write(tmp_path, pipeline)
    with pytest.raises(RequestError) as raised:
        load(tmp_path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"pipelines.toml [pipelines.it.{said}")
    assert line.endswith(" in [defaults] deny. Name another, or leave it out.")
    assert raised.value.exit_status == 2


def test_columns_that_no_pattern_matches_are_taken(tmp_path: Path) -> None:
    write(tmp_path, ROWS.format('target = "emails", numbers = "customer"'))
    assert "it" in load(tmp_path).pipelines


def test_what_is_set_for_a_call_is_held_against_the_list_too(tmp_path: Path) -> None:
    write(tmp_path, ROWS.format('target = "a", numbers = "b"'))
    with pytest.raises(RequestError, match="the column 'email' is denied by 'email'"):
        load(tmp_path, {"it": ['ingest.numbers=["b", "email"]']})


@pytest.mark.parametrize("deny", ['"email"', "[3]"])
def test_a_list_that_is_none_is_refused(tmp_path: Path, deny: str) -> None:
    write(tmp_path, "", deny)
    with pytest.raises(RequestError, match=r"^pipelines\.toml \[defaults\] deny"):
        load(tmp_path)
