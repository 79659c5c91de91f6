"""Examples in a report on a classifier, as tiles: pictures or texts with captions."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from gristmill.reports.sections import Table


def table_of_examples(title: str, rows: pd.DataFrame, columns: Sequence[str], **more: Any) -> Table:
    """Return examples as pictures or texts, with some columns as captions."""
    captions = [rows[name].map("{:.2%}".format if name == "probability" else str).tolist() for name in columns]
    ids, is_text = rows["id"].tolist(), "text" in rows
    shown = rows["text"] if is_text else [_image_elements(*row) for row in zip(_pictures(rows), ids, strict=True)]
    headings = ["", *columns, ""]
    return Table.of_columns(title, headings, [shown, *captions, ids], words=is_text, tiles=True, **more)


def _pictures(rows: pd.DataFrame) -> Iterator[list[bytes]]:
    """Yield the image of each example, and its class activation map if it has one."""
    columns = [name for name in ("picture", "class_map") if name in rows]
    for row in rows[columns].itertuples(index=False):
        yield [picture for picture in row if picture is not None]


def _image_elements(pictures: Sequence[bytes], alt: str) -> str:
    from markupsafe import Markup  # with Jinja, late

    alts = (alt, f"{alt}: what speaks for the predicted class")
    return Markup("").join(map(_image_element, pictures, alts))


def _image_element(picture: bytes, alt: str) -> str:
    """Return a small image file as an element; PNGs, which are tiny, are enlarged without blur."""
    from markupsafe import Markup  # with Jinja, late

    if picture.startswith(b"\x89PNG"):
        tag = Markup('<img alt="{}" class="pixels" src="data:image/png;base64,{}">')
    else:
        tag = Markup('<img alt="{}" src="data:image/jpeg;base64,{}">')
    return tag.format(alt, b64encode(picture).decode())


def note_on_maps(rows: pd.DataFrame) -> str:
    """Return what the second pictures show, if there are any."""
    if "class_map" not in rows or rows["class_map"].isna().all():
        return ""
    return " Red places of the second picture speak for the predicted class (Grad-CAM, Selvaraju et al. 2017)."
