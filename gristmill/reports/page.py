"""HTML pages, each one file without external resources and all alike; and single sections for notebooks.

A page is a view, not an artifact: no cache key depends on it. All pages lie in one folder and link to each other by
name, so the folder can be moved.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gristmill.reports.sections import Section
from gristmill.store.store import Store

INDEX = "_index"  # the page of all pipelines; not a valid name of a pipeline


def page_path(store: Store, name: str) -> Path:
    """Return the path of a page, rendered or not."""
    return store.root / "reports" / f"{name}.html"


def page_name(pipeline: str, what: str) -> str:
    """Return the name of an additional page of a pipeline; its dot distinguishes it from pipeline names."""
    return f"{pipeline}.{what}"


def render_page(
    store: Store, name: str, title: str, description: str, facts: Mapping[str, str], sections: Iterable[Section]
) -> Path:
    """Render a page and return its path: `reports/<name>.html` in the store.

    Facts are shown at the top, by name. A fact or the cell of a table may be `Markup`: a link, a small picture.
    """
    path, index = page_path(store, name), page_path(store, INDEX)
    listed, anchors = list(sections), list[str]()
    for at, anchor in enumerate(section.anchor for section in listed):
        anchors.append(f"{anchor}-{at}" if anchor in ("", *anchors) else anchor)
    page = render_template(
        "report.html",
        title=title,
        description=description,
        facts=facts,
        sections=listed,
        anchors=anchors,
        index=index.name if name != INDEX and index.exists() else None,
    )
    store.write(path, page)
    return path


def render_template(template: str, **values: Any) -> str:
    """Return a template of `gristmill/reports/templates` with its values, escaped unless they are `Markup`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gristmill.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def link_to(store: Store, name: str, text: str) -> str:
    """Return a text as a link to a page, or the plain text if the page was not rendered."""
    from markupsafe import Markup  # with Jinja, late

    path = page_path(store, name)
    return Markup('<a href="{}">{}</a>').format(path.name, text) if path.exists() else text


def as_html(section: Section) -> str:
    """Return a section with its tables, in which the model's row is marked, and its pictures.

    Its styles must not affect the rest of the notebook. matplotlib's style in every picture applies to all lines of the
    page, so it is removed; the template has one for the picture.
    """
    pictures = [re.sub(r"<(style|metadata)\b.*?</\1>", "", picture, flags=re.DOTALL) for picture in section.pictures]
    return render_template("cell.html", section=section, pictures=pictures)


def as_text(section: Section) -> str:
    """Return a section as lines, without its pictures."""
    lines = [section.title, section.note]
    for table in section.tables:
        headings = [heading.replace("\n", " ") for heading in table.headings]
        widths = [max(map(len, column)) for column in zip(headings, *table.rows, strict=True)]
        for first, *others in [headings, *table.rows]:
            cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
            lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join(lines)
