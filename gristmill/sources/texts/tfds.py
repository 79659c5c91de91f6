"""Texts of TensorFlow Datasets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gristmill.errors import DataError
from gristmill.sources.datasets import Dataset, Example, folder_of
from gristmill.sources.rows import Rows, select_columns


class Tfds(Dataset):
    """A TensorFlow Datasets data set with one text and one label per example."""

    kind: Literal["tfds"]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns: the text, the name of its class, its part and the TFDS id."""
        return ("text", "label", "part", "id")

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns in the order of the records; the classes keep the order of TFDS."""
        import pandas as pd

        folder = folder_of(paths)
        examples = list(self.examples(paths, "Text"))
        ids = [example.id for example in examples]
        frame = pd.DataFrame(
            {
                "text": pd.Series([_text(example, folder) for example in examples], dtype="str"),
                "label": pd.Categorical([example.label for example in examples], self.class_names(paths)),
                "part": pd.Series([example.part for example in examples], dtype="str"),
                "id": pd.Series(ids, dtype="str"),
            }
        ).set_axis(pd.Index(ids, name="row"))
        return Rows(select_columns(frame, texts, numbers, folder), origin=str(folder))


def _text(example: Example, folder: Path) -> str:
    try:
        return example.content.decode()
    except UnicodeDecodeError:
        raise DataError(f"{folder} row {example.id}: not utf-8. Prepare the data set again.") from None
