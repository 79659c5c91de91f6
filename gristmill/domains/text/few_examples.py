"""Prepared texts, cut to some to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace

from gristmill.domains.common.classification.few_examples import different, varied
from gristmill.domains.common.few_examples import Folders
from gristmill.domains.text import dataset
from gristmill.util.table_io import write_table


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write texts of all classes.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: texts; as few as a network can learn by heart if None.
    """
    data, made = dataset.read(folders["preprocess"]), out["preprocess"]
    sequences = data.sequences("train")
    chosen = varied(data, most) if most else different(data, lambda at: [sequences[one].tobytes() for one in at])
    write_table(made / "index.parquet", data.rows("train").iloc[chosen])
    dataset.write_tokens(sequences.taken(chosen), made)
    counts = {"train": len(chosen), "validation": 0, "test": 0}
    dataset.write_layout(replace(data.layout, counts=counts), made)
