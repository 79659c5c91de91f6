"""Texts of TensorFlow Datasets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gristmill.errors import DataError
from gristmill.sources.datasets import Dataset, Example, folder_of
from gristmill.sources.rows import Rows, refuse_missing


class Tfds(Dataset):
    """A data set of TensorFlow Datasets with one text and one label an example."""

    kind: Literal["tfds"]

    @property
    def columns(self) -> tuple[str, ...]:
        """The text, the name of its class, its part, and what TFDS calls the example."""
        return ("text", "label", "part", "id")

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns, in the order of the records, part by part; the classes keep TFDS's own order.

        Args:
            paths: the located files of `folder`.
            texts: columns that are wanted.
            numbers: columns that are wanted, too.

        Raises:
            DataError: a file is damaged, a split is not there, overlaps another or has no labels, or a text is not
                UTF-8.
        """
        import pandas as pd

        folder = folder_of(paths)
        wanted = list(dict.fromkeys([*texts, *numbers]))
        refuse_missing(folder, wanted, self.columns)
        found = list(self.examples(paths, "Text"))
        ids = [example.id for example in found]
        frame = pd.DataFrame(
            {
                "text": pd.Series([_text(example, folder) for example in found], dtype="str"),
                "label": pd.Categorical([example.label for example in found], self.class_names(paths)),
                "part": pd.Series([example.part for example in found], dtype="str"),
                "id": pd.Series(ids, dtype="str"),
            }
        )
        return Rows(frame[wanted].set_axis(pd.Index(ids, name="row")), called=str(folder))


def _text(example: Example, folder: Path) -> str:
    try:
        return example.content.decode()
    except UnicodeDecodeError:
        raise DataError(f"{folder} row {example.id}: not utf-8. Prepare the data set again.") from None
