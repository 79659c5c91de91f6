"""A page: one HTML file that needs nothing else, of the one look that all pages have.

A page is a view, never an artifact: it stands outside every key, so changing it makes nothing stale. All of them lie
in one folder and link each other by name, so that it can be moved.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gristmill.reports.rendering import render_template
from gristmill.reports.sections import Section
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import write_atomically

INDEX = "_index"  # the page of all pipelines, none of which can be called so


def page_path(store: Store, name: str) -> Path:
    """Return where a page lies, or would."""
    return store.root / "reports" / f"{name}.html"


def page_name(pipeline: str, what: str) -> str:
    """Return the name of a pipeline's page beside its report: with a dot, as no pipeline's name has one."""
    return f"{pipeline}.{what}"


def render_page(
    store: Store, name: str, title: str, description: str, facts: Mapping[str, str], sections: Iterable[Section]
) -> Path:
    """Render a page beside the others and return its path: `reports/<name>.html` in the store.

    Args:
        store: whose page it is.
        name: of its file.
        title: what stands above it.
        description: what it is about.
        facts: told at its top, by name.
        sections: what follows. A cell of a table or a fact may be `Markup`: a link, a small picture.
    """
    path, index = page_path(store, name), page_path(store, INDEX)
    page = render_template(
        "report.html",
        title=title,
        description=description,
        facts=facts,
        sections=list(sections),
        index=index.name if name != INDEX and index.exists() else None,
    )
    with translate_disk_errors(store.root):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page)
    return path


def link_to(store: Store, name: str, text: str) -> str:
    """Return a text as a link to a page, where that has been rendered."""
    from markupsafe import Markup  # with Jinja, late

    path = page_path(store, name)
    return Markup('<a href="{}">{}</a>').format(path.name, text) if path.exists() else text
