"""Small training sets without validation and test examples, for `gristmill check`."""

from dataclasses import replace

import numpy as np

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders
from gristmill.domains.generation import dataset


def cut(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write the first `limit` training windows, or lines with that many prefixes; if None, as few as can be memorised.

    One window is enough to memorise, since the network predicts after each of its tokens. More windows would begin at
    another token in each epoch.
    """
    data, folder = dataset.read(folders["preprocess"]), out["preprocess"]
    if data.layout.after_each:
        tokens = data.stream("train")[: (limit or 1) * data.layout.length + 1]
        end, held_out = len(tokens), (0, 1)  # one token is too short for a window
    else:
        lines = data.lines("train")
        end = min(len(lines), int(np.searchsorted(np.cumsum(lines.lengths - 1), limit or OVERFIT_EXAMPLES)) + 1)
        tokens, starts = lines.values[: lines.starts[end]], lines.starts[: end + 1]
        held_out = (end, end)
        np.save(folder / "starts.npy", starts, allow_pickle=False)
    dataset.write_tokens(tokens, folder)
    bounds = {"train": (0, end), "validation": held_out, "test": held_out}
    dataset.write_layout(replace(data.layout, bounds=bounds), folder)
