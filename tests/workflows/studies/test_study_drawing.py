"""Places in a figure are those of the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from workflows.studies.drawing import HEIGHT, WIDTH, Chart, Grid, Line, Panel, figure

SVG = "{http://www.w3.org/2000/svg}"


def places(panel: Panel) -> list[list[tuple[float, float]]]:
    """The corners of every line of a panel."""
    drawn = ElementTree.fromstring(figure([panel], ""))
    lines = [line.get("points", "").split() for line in drawn.iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (place.split(",") for place in line)] for line in lines]


def chart(points: Sequence[tuple[float, float]], **more: object) -> Chart:
    return Chart("title", "x", [Line("line", points)], **more)  # type: ignore[arg-type]


def test_a_line_is_where_its_numbers_are() -> None:
    (line,) = places(chart([(0, 0), (5, 1), (10, 0.5)]))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y2 == pytest.approx((y0 - y1) / 2, abs=0.2)
    assert y0 > y2 > y1


def test_doubling_is_the_same_step_on_a_logarithmic_axis() -> None:
    ((a, _), (b, _), (c, _)) = places(chart([(1, 1), (2, 1), (4, 1)], x_values=[1, 2, 4]))[0]
    assert b - a == pytest.approx(c - b, abs=0.2)


def test_nothing_is_drawn_beside_the_panel() -> None:
    for line in places(chart([(0, -1), (5, 3), (10, 0.5)], at_most=1.0)):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in line)


def test_a_law_goes_through_the_middle_of_the_cells_that_it_names_and_leaves_the_grid() -> None:
    law = Line("law", [(1, 0.1), (2, 0.2), (4, 0.4)])
    grid = Grid("title", "ranks", "rate", [1, 2, 4], [0.1, 0.2], [[0.5, None, 0.7], [0.1, 0.2, 0.3]], [law])
    (line,) = places(grid)
    cells = [
        (float(cell.get("x", "")) + float(cell.get("width", "")) / 2, float(cell.get("y", "")))
        for cell in ElementTree.fromstring(figure([grid], "")).iter(f"{SVG}rect")
        if cell.get("x")
    ]
    assert len(line) == 2
    assert line[0][0] == pytest.approx(cells[0][0], abs=0.2)
    assert line[1][0] == pytest.approx(cells[4][0], abs=0.2)
    assert line[1][1] < line[0][1]
