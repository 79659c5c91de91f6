"""Checkpoints: a resumed training reaches the same weights as one that was never interrupted.

A checkpoint holds everything that changes from epoch to epoch: variables of the network (including the seed generators
of dropout) and of the optimizer, and the training history. It is written to a temporary folder, flushed and renamed, so
it is complete or missing; hashes detect damage. The last two are kept in a folder named after the key of the stage, so
checkpoints of other settings, code or data are never used.
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

from gristmill.keys import digest_of_file
from gristmill.util import sealed_json
from gristmill.util.files import flush_folder, rename_folder

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2

# Errors raised by a damaged or incomplete checkpoint; other errors of the disk are not caught.
_MISSING_ERRORS = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DAMAGE_ERRORS = (*_MISSING_ERRORS, ValueError, KeyError, AttributeError, TypeError, zipfile.BadZipFile)

Arrays = dict[str, npt.NDArray[Any]]


def save(folder: Path, epoch: int, arrays: Mapping[str, npt.NDArray[Any]], state: Mapping[str, Any]) -> None:
    """Write a checkpoint after `epoch` epochs and delete all but the last two of the folder."""
    temporary = folder / f".epoch-{epoch}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        np.savez(temporary / "arrays.npz", allow_pickle=False, **arrays)
        content = {"epoch": epoch, "arrays": digest_of_file(temporary / "arrays.npz"), "state": dict(state)}
        (temporary / "state.json").write_text(json.dumps(sealed_json.seal(content)))
        flush_folder(temporary)
        rename_folder(temporary, folder / f"epoch-{epoch:06d}")
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process wrote the same checkpoint
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in _newest_first(folder)[CHECKPOINTS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> tuple[int, Arrays, dict[str, Any]] | None:
    """Return (epochs done, arrays, state) of the newest sound checkpoint, or None.

    A damaged checkpoint is deleted with a warning, and the one before it is used.
    """
    for path in _newest_first(folder):
        try:
            content, is_intact = sealed_json.unseal((path / "state.json").read_bytes())
            if not is_intact or digest_of_file(path / "arrays.npz") != content["arrays"]:
                raise ValueError("its hash does not match")
            with np.load(path / "arrays.npz", allow_pickle=False) as arrays:
                return content["epoch"], dict(arrays), content["state"]
        except _DAMAGE_ERRORS as error:
            logger.warning("%s: checkpoint not usable (%s); deleted, trying the previous one", path, error)
            shutil.rmtree(path, ignore_errors=True)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*"), reverse=True)
