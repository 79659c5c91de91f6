"""Prepared data cut to few examples, as all domains do it: `gristmill/<domain>/cut.py` holds a function `cut`."""

from collections.abc import Mapping
from pathlib import Path

FEW = 8  # examples that a network of any size should learn by heart

Folders = Mapping[str, Path]  # of artifacts, by stage
