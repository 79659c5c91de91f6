"""Checkpoints from which training goes on to the very weights it would have reached without the interruption.

Each holds everything that changes from epoch to epoch: weights and states of the network (the seed generators of
dropout among them), variables of the optimizer, and the state of the callbacks. It is a folder written aside,
flushed and renamed, so it is whole or not there; hashes tell whether it still holds. The last two are kept, in a
folder named after the key of the stage, so that those of other settings, code or data are never looked at.
"""

import errno
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.keys import digest_of, digest_of_file
from gristmill.util.files import flush_folder, rename_folder

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2

_MALFORMED = (ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile)  # what reading a damaged file raises

Arrays = dict[str, npt.NDArray[Any]]


def save(folder: Path, epoch: int, arrays: Mapping[str, npt.NDArray[Any]], state: Mapping[str, Any]) -> None:
    """Write a checkpoint at the end of an epoch and drop all but the last two.

    Args:
        folder: where the stage's checkpoints lie.
        epoch: number of epochs done, from 1.
        arrays: what training needs as arrays.
        state: what it needs as JSON.
    """
    aside = folder / f".epoch-{epoch}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        np.savez(aside / "arrays.npz", allow_pickle=False, **arrays)
        content = {"epoch": epoch, "arrays": digest_of_file(aside / "arrays.npz"), "state": dict(state)}
        (aside / "state.json").write_text(json.dumps(content | {"seal": digest_of(content)}))
        flush_folder(aside)
        rename_folder(aside, folder / f"epoch-{epoch:06d}")
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another builder of this key wrote an equal one
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in _newest_first(folder)[CHECKPOINTS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> tuple[int, Arrays, dict[str, Any]] | None:
    """Return (epochs done, arrays, state) of the newest checkpoint that holds, or None.

    One that does not hold is removed with a warning, and the one before it is used.
    """
    for path in _newest_first(folder):
        try:
            content = json.loads((path / "state.json").read_bytes())
            seal = content.pop("seal")
            if digest_of(content) != seal or digest_of_file(path / "arrays.npz") != content["arrays"]:
                raise ValueError("its hash does not hold")
            with np.load(path / "arrays.npz", allow_pickle=False) as arrays:
                return content["epoch"], dict(arrays), content["state"]
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, *_MALFORMED) as error:
            logger.warning("%s: checkpoint not usable (%s); removed, trying the one before", path, error)
            shutil.rmtree(path, ignore_errors=True)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*"), reverse=True)
