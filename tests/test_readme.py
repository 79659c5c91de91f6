"""The README is short, and the source tree in CONTRIBUTING.md names what exists."""

import re

from conftest import ROOT


def test_the_readme_has_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_file_and_folder_of_the_tree_is_there() -> None:
    (tree,) = re.findall(r"## Where things go\n\n```\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    named = re.findall(r"^ *((?:[\w.]+(?:/|\.\w+) ?)+)", tree, re.MULTILINE)
    names = {name for line in named for name in line.split()}
    folders = (ROOT, ROOT / "gristmill", ROOT / "gristmill/domains")

    assert {"flows/", "cli/", "project/", "domains/", "common/", "keys.py", "data/"} <= names
    assert {name for name in names if not any((folder / name).exists() for folder in folders)} == set()
