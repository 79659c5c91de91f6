"""Prepared tokens, cut to some to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace

import numpy as np

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders
from gristmill.domains.generation import dataset


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write the first windows of the training part, or the first lines that have so many prefixes.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: windows or prefixes; if None, as few as a network can learn by heart: a window is judged after each of its
            tokens, so one is enough, and it alone begins at the same token in every epoch.
    """
    data, made = dataset.read(folders["preprocess"]), out["preprocess"]
    if data.layout.after_each:
        tokens = data.stream("train")[: (most or 1) * data.layout.length + 1]
        end, judged = len(tokens), (0, 1)  # a token, which makes no window
    else:
        lines = data.lines("train")
        end = min(len(lines), int(np.searchsorted(np.cumsum(lines.lengths - 1), most or OVERFIT_EXAMPLES)) + 1)
        tokens, starts = lines.values[: lines.starts[end]], lines.starts[: end + 1]
        judged = (end, end)
        np.save(made / "starts.npy", starts, allow_pickle=False)
    dataset.write_tokens(tokens, made)
    bounds = {"train": (0, end), "validation": judged, "test": judged}
    dataset.write_layout(replace(data.layout, bounds=bounds), made)
