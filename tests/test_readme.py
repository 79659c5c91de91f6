"""The README's tree: what it names is there."""

import re

from conftest import ROOT


def test_every_file_and_folder_of_the_tree_is_there() -> None:
    (tree,) = re.findall(r"## How it is built\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    named = re.findall(r"^ *((?:[\w.]+(?:/|\.\w+) ?)+)", tree, re.MULTILINE)
    names = {name for line in named for name in line.split()}
    folders = (ROOT, ROOT / "gristmill", ROOT / "gristmill/domains")

    assert {"flows/", "cli/", "project/", "domains/", "common/", "keys.py", "data/"} <= names
    assert {name for name in names if not any((folder / name).exists() for folder in folders)} == set()
