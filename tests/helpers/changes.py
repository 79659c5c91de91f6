"""What changes a store, each a function of its root alone, so that a process of its own can be killed at any step."""

from pathlib import Path

import numpy as np

from gristmill import keys
from gristmill.registry.registry import Registry
from gristmill.registry.version import Git
from gristmill.runs.records import Runs
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.training import checkpoint
from helpers.failing import at_step, kill

MADE_OF = keys.identify("train", {"gristmill": "00"}, {"train": {}}, {}, {"numpy": "2.1.0"})


def publish(root: Path, content: str = "new", replace: bool = False) -> Reference:
    """Publish an artifact of weights and what tells of them; one that is there is left unless it is to be replaced."""
    store = Store(root)
    with store.draft(MADE_OF) as draft:
        for name in ("weights.npz", "inner/training.json"):
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(content)
        return store.publish(draft, MADE_OF, replace).reference


def refresh(root: Path) -> None:
    """Publish an artifact anew where there is one."""
    publish(root, "newer", replace=True)


def promote(root: Path) -> None:
    """Make the model of the small pipeline's last run a version, and that the champion."""
    registry, record = Registry(Store(root)), next(Runs(Store(root)).newest_first("small"))
    version = registry.register(record, {"train": "ff"}, Git(), {"verdict": "promoted", "why": "asked for"})
    registry.promote("small", version.number, "better")


def save(root: Path, epoch: int = 4) -> None:
    """Write the checkpoint of an epoch, whose arrays tell its number as its state does."""
    checkpoint.save(root / "key", epoch, {"network/0000": np.full(1000, epoch, "float32")}, {"epoch": epoch})


def killed_at(number: int, change: str, root: Path) -> None:
    """Kill this process at the n-th step of a change, or let it end where there is none."""
    with at_step(number, kill, root, removals=True):
        globals()[change](root)
