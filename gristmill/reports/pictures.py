"""Pictures in one style, drawn by matplotlib without a display.

SVG for reports, in the text colour of the page (light or dark); PNG for Prefect's page.
"""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#5f6b7a"
_PAGE_INK = "#010203"  # placeholder for the page's text colour until the SVG is written
TRUTH, MODEL, BASELINE, ACCENT = "#7a8794", "#2f7ed8", "#e08a1e", "#c2413b"

_PANELS_IN_A_ROW = 3
_MAX_LETTERS_SIDE_BY_SIDE = 20  # of the labels of an axis in a panel

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "gristmill",
}


def canvas(
    height: float = 3.2, columns: int = 1, widths: tuple[float, ...] = (), rows: int = 1
) -> "tuple[Figure, list[Axes]]":
    """Return a figure as wide as the page, and its axes side by side, row after row; height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    labelled = ("axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color", "legend.labelcolor", "text.color")
    text_color: dict[Any, Any] = dict.fromkeys(labelled, _PAGE_INK)
    with rc_context(_STYLE | text_color):
        figure = Figure(figsize=(10, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths or None).ravel()
    return figure, list(axes)


def panels(titles: "Sequence[str]", label: str) -> "tuple[Figure, list[Axes]]":
    """Return a figure with small axes, a title above each, and a label of the y-axis at the first of each row."""
    columns = min(_PANELS_IN_A_ROW, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = canvas(2.4 * rows, columns, rows=rows)
    for unused in axes[len(titles) :]:
        unused.remove()
    for single in axes[::columns]:
        single.set_ylabel(label, parse_math=False)
    for single, title in zip(axes, titles, strict=False):
        single.set_title(shorten(title, 32), fontsize=10, parse_math=False)
    return figure, axes[: len(titles)]


def name_ticks(axes: "Axes", names: "Sequence[str]") -> None:
    """Label the x-axis with names, at the positions 0, 1, …"""
    is_wide = sum(map(len, names)) > _MAX_LETTERS_SIDE_BY_SIDE
    slanted: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if is_wide else {}
    axes.set_xticks(range(len(names)), [shorten(name, 14) for name in names], parse_math=False, **slanted)


def date_ticks(axes: "Axes") -> None:
    """Label the x-axis with a few dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # matplotlib has no types here.
    locator: Any = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    formatter: Any = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)


def shorten(text: str, length: int) -> str:
    """Return a text of at most `length` characters, cut in its middle."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def legend(axes: "Axes", of_figure: bool = False, **place: Any) -> None:
    """Draw a legend of all lines in one row, above the axes, or their figure, unless `place` says where."""
    place = place or ({"loc": "outside upper left"} if of_figure else {"loc": "lower left", "bbox_to_anchor": (0, 1.0)})
    handles, names = axes.get_legend_handles_labels()
    owner: Any = axes.figure if of_figure else axes
    owner.legend(handles, names, ncols=max(1, len(names)), frameon=False, labelcolor=_PAGE_INK, **place)


def log_scale(axes: "Axes") -> None:
    """Make the y-axis logarithmic, with plain numbers as its labels."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def whole_numbers(axes: "Axes") -> None:
    """Label the x-axis with integers only, such as epochs or steps."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def text_color(axes: "Axes") -> str:
    """Return the text colour of the page."""
    return str(axes.title.get_color())


def as_svg(figure: "Figure", alt: str) -> str:
    """Return a figure as an SVG element that takes the text colour of the page; `alt` describes it in words."""
    from html import escape

    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue().replace(_PAGE_INK, "currentColor").replace(' target="_blank"', "")  # links within the page
    return f'<svg role="img" aria-label="{escape(alt)}"{svg[svg.index("<svg") + 4 :]}'


def as_png(figure: "Figure") -> bytes:
    """Return a figure as a PNG on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    return buffer.getvalue()
