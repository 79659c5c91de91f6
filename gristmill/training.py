"""What train publishes in every domain: the network, its losses by epoch, and how training ended."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill import network as networks
from gristmill.course import Course
from gristmill.tables import write_document, write_table


def write_trained(network: keras.Model, course: Course, out: Path, **more: Any) -> None:
    """Write the network, `epochs.parquet`, `training.json` and, of a range test, `learning_rates.parquet`.

    Args:
        network: raw values in, what is predicted out.
        course: what happened over the epochs.
        out: folder to write to.
        more: further values for `training.json`.
    """
    networks.write(network, out)
    curves = {
        "val_loss": course.val_losses,
        "accuracy": course.accuracies,
        "val_accuracy": course.val_accuracies,
        "rate": course.rates,
    }
    columns: dict[str, Any] = {"epoch": np.arange(1, len(course.losses) + 1), "loss": course.losses}
    columns |= {name: values for name, values in curves.items() if values}
    write_table(out / "epochs.parquet", pd.DataFrame(columns))
    if course.search:
        write_table(out / "learning_rates.parquet", pd.DataFrame(course.search))
    ended = {
        "best_epoch": course.best_epoch,
        "epochs": len(course.losses),
        "stopped_early": course.stopped,
        "learning_rate": course.learning_rate,
    }
    write_document(out / "training.json", ended | more)
