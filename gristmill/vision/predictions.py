"""A network's probabilities of the classes, and the table they are kept in."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.tables import read_table
from gristmill.vision.prepared import Pixels, Prepared

if TYPE_CHECKING:
    import keras

Probabilities = npt.NDArray[np.float64]  # (images, classes)


def probabilities_of(network: "keras.Model", data: Prepared, part: str) -> Probabilities:
    """Return a network's probabilities of a part, batch by batch: (images, classes)."""
    made = [network.predict_on_batch(pixels) for pixels, _ in data.dataset(part)]
    return np.concatenate(made).astype(np.float64)


def as_rows(data: Prepared, part: str, made: Probabilities) -> pd.DataFrame:
    """Return one row an image: `id`, `part`, `label`, `predicted`, and `p_<class>` of each class."""
    names = np.array(data.layout.classes, object)
    columns = {
        "id": data.rows(part)["id"],
        "part": part,
        "label": names[data.labels(part)],
        "predicted": names[made.argmax(axis=1)],
    }
    return pd.DataFrame(columns | {f"p_{name}": made[:, at] for at, name in enumerate(names)})


def read_predictions(folder: Path, part: str) -> pd.DataFrame:
    """Return the rows of a part from the folder of `evaluate`."""
    predictions = read_table(folder / "predictions.parquet")
    return predictions[predictions["part"] == part].reset_index(drop=True)


def surest_errors(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the wrong predictions of highest probability, the surest first, as `rows` with a column `probability`."""
    sure = rows.assign(probability=rows.filter(regex="^p_").max(axis=1))
    wrong = sure[sure["label"] != sure["predicted"]]
    return wrong.sort_values("probability", ascending=False, kind="stable").head(count)


def picked(data: Prepared, part: str, positions: list[int]) -> Pixels:
    """Return the pixels of a few images of a part, by their positions: (images, height, width, channels)."""
    found: dict[int, Pixels] = {}
    begin = 0
    for batch, _ in data.dataset(part).as_numpy_iterator():
        found |= {at: batch[at - begin] for at in positions if begin <= at < begin + len(batch)}
        begin += len(batch)
    layout = data.layout
    return np.array([found[at] for at in positions], np.uint8).reshape(-1, layout.height, layout.width, layout.channels)
