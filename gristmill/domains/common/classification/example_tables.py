"""Examples in a report on a classifier: pictures or texts with captions."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.domains.common.classification import examples
from gristmill.reports.scores import PART_NAMES
from gristmill.reports.sections import Section, Table
from gristmill.util.table_io import read_table

_PNG = b"\x89PNG"


def error_sections(evaluate: Path) -> Iterator[Section]:
    """Yield the most confident errors."""
    rows = _shown(evaluate, examples.ERRORS)
    if len(rows):
        note = "Misclassified examples of the test set with the highest predicted probability."
        yield Section("Most confident errors", note, tables=[_table("", rows, ["label", "predicted", "probability"])])


def wrong_label_sections(evaluate: Path) -> Iterator[Section]:
    """Yield the examples whose label is most likely wrong."""
    rows = _shown(evaluate, examples.WRONG_LABELS)
    if rows.empty:
        return
    count = len(pd.read_csv(evaluate / examples.WRONG_LABELS_FILE, usecols=["part"]))
    note = (
        "Examples that the model was not trained on, where it is confident that another class is right (confident "
        "learning, Northcutt et al. 2021). It can be wrong: check each label before you change it. "
        f"All {count:,} are in {Path(*evaluate.parts[-3:]).as_posix()}/"  # STAGE/KEY[:2]/KEY
        f"{examples.WRONG_LABELS_FILE} in the store."
    )
    rows = rows.rename(columns={"predicted": "likely"}).assign(part=rows["part"].map(PART_NAMES))
    yield Section("Likely wrong labels", note, tables=[_table("", rows, ["label", "likely", "probability", "part"])])


def cell_tables(evaluate: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> dict[str, Table]:
    """Return examples of the largest cells of the confusion matrix, collapsed, by the anchor of the cell."""
    tables = {}
    for (label, predicted), rows in _shown(evaluate, examples.CELLS).groupby(["label", "predicted"], sort=False):
        true, made = classes.index(label), classes.index(predicted)
        right = "" if label == predicted else f"{label} taken for "
        title = f"{right}{predicted}: {confusion[true][made]:,}{'' if right else ' right, the least confident first'}"
        anchor = cell_anchor(true, made)
        tables[anchor] = _table(title, rows, ["probability"], folded=True, anchor=anchor)
    return tables


def cell_anchor(true: int, predicted: int) -> str:
    """Return the name of a cell in the address of its page, given the positions of the classes."""
    return f"true-{true}-predicted-{predicted}"


def _shown(evaluate: Path, where: str) -> pd.DataFrame:
    rows = read_table(evaluate / examples.FILE)
    return rows[rows["shown"] == where]


def _table(title: str, rows: pd.DataFrame, columns: Sequence[str], **more: Any) -> Table:
    """Return examples as pictures or texts, with some columns as captions."""
    cells = [rows[name].map("{:.2%}".format if name == "probability" else str).tolist() for name in columns]
    ids, is_text = rows["id"].tolist(), "text" in rows
    shown = rows["text"] if is_text else map(_image, rows["picture"], ids)
    return Table.of_columns(title, ["", *columns, ""], [shown, *cells, ids], words=is_text, tiles=True, **more)


def _image(picture: bytes, alt: str) -> str:
    """Return a small image file as an element; PNGs, which are tiny, are enlarged without blur."""
    from markupsafe import Markup  # with Jinja, late

    if picture.startswith(_PNG):
        tag = Markup('<img alt="{}" class="pixels" src="data:image/png;base64,{}">')
    else:
        tag = Markup('<img alt="{}" src="data:image/jpeg;base64,{}">')
    return tag.format(alt, b64encode(picture).decode())
