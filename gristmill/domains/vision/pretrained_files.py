"""Weights of pretrained networks on this machine: in the folders of GRISTMILL_DATA, or in the cache of Keras."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gristmill.domains.vision.models.transfer import BASES
from gristmill.runs.locations import search_folders

_WITHOUT_TOP = re.compile(r"no_?-?top", re.IGNORECASE)
_OTHER_WIDTH = re.compile(r"_(2_5|5_0|7_5|0\.\d+|1\.[34])_")  # fewer or more filters than the network's own


def weights_at_hand() -> dict[str, str]:
    """Return the value of `weights` for each network of keras.applications whose weights are on this machine.

    It is the name of the file in a folder of GRISTMILL_DATA, or `imagenet` for weights that Keras has fetched.
    """
    found = {base: "imagenet" for base, _ in _bases_in(_keras_cache())}
    for folder in search_folders():
        found |= dict(_bases_in(folder))
    return found


def _bases_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each network that has a file of weights without its top in a folder, and the name of the file."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith(".h5") and _WITHOUT_TOP.search(name) and not _OTHER_WIDTH.search(name):
            plain = re.sub(r"[^a-z0-9]", "", name.lower())
            if base := max((base for base in BASES if plain.startswith(base.lower())), key=len, default=None):
                yield base, name


def _keras_cache() -> Path:
    """Return the folder in which Keras keeps weights."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
