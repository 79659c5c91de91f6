"""Pictures that are equal for equal data and need nothing but the page."""

import re
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gristmill.reports.pictures import MODEL, as_png, as_svg, canvas, date_ticks, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"


def drawing() -> "Figure":
    """Draw a line with markers between labelled axes, with its legend."""
    figure, (axes,) = canvas()
    axes.plot([1, 2, 3], [1, 4, 9], "o-", color=MODEL, label="grown")
    legend(axes, loc="upper left")
    axes.set_title("squares")
    axes.set_ylabel("value")
    return figure


def test_svg_is_one_element_with_text_as_text() -> None:
    svg = as_svg(drawing(), "a < b")

    root = ET.fromstring(svg)  # noqa: S314  # our own
    assert root.tag == f"{SVG}svg"
    assert (root.get("role"), root.get("aria-label")) == ("img", "a < b")
    assert {"squares", "value", "grown"} <= {text.text for text in root.iter(f"{SVG}text")}


def test_text_takes_the_colour_of_the_page_and_lines_keep_theirs() -> None:
    svg = as_svg(drawing(), "a < b")

    texts = [text.get("style") or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314  # our own
    assert texts
    assert all("fill: currentColor" in style for style in texts)
    assert "#010203" not in svg
    assert MODEL in svg


def test_svg_tells_no_date_and_is_equal_for_equal_data() -> None:
    svg = as_svg(drawing(), "a < b")

    assert "<dc:date>" not in svg
    assert as_svg(drawing(), "a < b") == svg


def test_svg_loads_nothing() -> None:
    assert (
        re.findall(r"""(?:href|src)\s*=\s*["'](?!#)|url\(\s*["']?(?!#)|@import|<script""", as_svg(drawing(), "a < b"))
        == []
    )


def test_a_legend_names_the_lines_in_one_row_without_a_frame() -> None:
    figure, (axes,) = canvas()
    for name in ("first", "second", "third"):
        axes.plot([1, 2], [1, 2], label=name)
    legend(axes, loc="upper right", bbox_to_anchor=(1, 1.1))
    figure.draw_without_rendering()

    drawn = axes.get_legend()
    assert drawn is not None
    assert not drawn.get_frame_on()
    places = [text.get_window_extent() for text in drawn.get_texts()]
    assert [text.get_text() for text in drawn.get_texts()] == ["first", "second", "third"]
    assert len({place.y0 for place in places}) == 1
    assert places[0].x1 < places[1].x0 < places[1].x1 < places[2].x0


def test_canvas_has_as_many_axes_as_columns() -> None:
    figure, axes = canvas(2.6, columns=2, widths=(3, 1))

    assert len(axes) == 2
    assert figure.get_size_inches().tolist() == [10, 2.6]
    widths = [single.get_position().width for single in axes]
    assert widths[0] == pytest.approx(3 * widths[1])


def test_drawing_leaves_the_settings_of_the_process_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    as_svg(drawing(), "a < b")

    assert dict(mpl.rcParams) == before


def test_png_is_a_picture_of_the_size_of_the_canvas() -> None:
    png = as_png(drawing())

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (800, 256)  # 10 by 3.2 inches at 80 dots


@pytest.mark.parametrize("days", [0.02, 0.08, 1.7, 50, 600, 2200])
@pytest.mark.filterwarnings("error")
def test_an_axis_of_dates_has_a_few_ticks_whatever_its_span(days: float) -> None:
    _, (axes,) = canvas()
    date_ticks(axes)
    axes.plot([datetime(2020, 1, 5), datetime(2020, 1, 5) + timedelta(days)], [0, 1])  # type: ignore[arg-type]

    assert 2 <= len(axes.get_xticks()) <= 6
