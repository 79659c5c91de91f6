"""Small training sets without validation and test texts, for `gristmill check`."""

from dataclasses import replace

from gristmill.domains.common.classification.few_examples import choose_examples
from gristmill.domains.common.few_examples import Folders
from gristmill.domains.text import dataset
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.util.table_io import read_table, write_table


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write `most` training texts of all classes; if None, as few different ones as a network can memorise."""
    data, folder = dataset.read(folders["preprocess"]), out["preprocess"]
    sequences = data.sequences("train")
    chosen = choose_examples(data, most, lambda positions: [sequences[at].tobytes() for at in positions])
    rows = data.rows("train").iloc[chosen]
    write_table(folder / "index.parquet", rows)
    dataset.write_tokens(sequences.taken(chosen), folder)
    counts = {"train": len(chosen), "validation": 0, "test": 0}
    dataset.write_layout(replace(data.layout, counts=counts), folder)
    tokenizers.write(data.tokenizer(), folder)
    texts = read_table(folders["ingest"] / "texts.parquet")
    write_table(out["ingest"] / "texts.parquet", texts[texts["id"].isin(rows["id"])])
