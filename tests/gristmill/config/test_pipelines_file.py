"""The line of a setting is found however the file writes it."""

import pytest

from gristmill.config.pipelines_file import with_line
from gristmill.settings.messages import Problem

FILE = """\
[pipelines.a]
model = { kind = "dense" }
train.epochs = 3

[pipelines."b.c".model] # a comment
units = [
  [3], # kind = "gru"
  [4]
]
kind = "gru"

[pipelines.d.source]
"the path" = "x"
"""


@pytest.mark.parametrize(
    ("table", "key", "line"),
    [
        ("pipelines.a.model", "kind", 2),
        ("pipelines.a.train", "epochs", 3),
        ("pipelines.a.train", "seed", 1),
        ('pipelines."b.c".model', "kind", 10),
        ('pipelines."b.c".model', "history", 5),
        ("pipelines.d.source", "the path", 13),
        ("pipelines.d.source", "", 12),
    ],
)
def test_the_line_of_a_key_or_of_its_table_is_named(table: str, key: str, line: int) -> None:
    problem = Problem(f"pipelines.toml [{table}]", "is wrong.", key, key)
    assert with_line(problem, FILE) == str(problem).replace("pipelines.toml", f"pipelines.toml:{line}", 1)


@pytest.mark.parametrize("where", ["pipelines.toml", "pipelines.toml [pipelines.e]"])
def test_a_problem_without_a_line_keeps_its_message(where: str) -> None:
    assert with_line(Problem(where, "is wrong."), FILE) == f"{where} is wrong."
