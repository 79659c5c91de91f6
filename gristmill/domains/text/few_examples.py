"""Small training sets without validation and test texts, for `gristmill check`."""

from gristmill.domains.common.few_examples import Folders, choose_examples
from gristmill.domains.common.folds import Split
from gristmill.domains.text import dataset
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.util.table_io import read_table, write_table


def cut(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write `limit` training texts of all classes; if None, as few different ones as a network can memorise."""
    data, folder = dataset.read(folders["preprocess"]), out["preprocess"]
    sequences = data.sequences("train")
    chosen = choose_examples(data, limit, lambda positions: [sequences[at].tobytes() for at in positions])
    few = data.with_split(Split(chosen, chosen[:0]))
    write_table(folder / "index.parquet", few.index)
    dataset.write_tokens(few.sequences("train"), folder)
    dataset.write_layout(few.layout, folder)
    tokenizers.write(data.tokenizer(), folder)
    if data.shape.vectors is not None:
        dataset.write_vectors(data.shape.vectors, folder)
    texts = read_table(folders["ingest"] / "texts.parquet")
    write_table(out["ingest"] / "texts.parquet", texts[texts["id"].isin(few.index["id"])])
