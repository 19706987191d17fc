"""Panels of a figure as SVG: charts of lines with bands, grids of numbers, and bars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar, Protocol, TypeAlias

WIDTH, HEIGHT = 420, 310
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 34, 66
INNER_WIDTH, INNER_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
A_ROW = 2
"""Panels beside each other."""

INK, FAINT = "#333333", "#dddddd"
COLOURS = ("#2f6690", "#c8553d", "#3a7d44", "#8d6a9f", "#c98f1b", "#5c5c5c")

Place: TypeAlias = tuple[float, float]


class Panel(Protocol):
    """One part of a figure."""

    def draw(self) -> list[str]:
        """SVG elements, inside of WIDTH x HEIGHT."""


@dataclass(frozen=True)
class Line:
    """A line of a chart, from left to right."""

    name: str
    points: Sequence[Place]
    spread: Sequence[float] = ()
    """One standard deviation at each point: drawn as a band."""
    dashed: bool = False
    """What is expected, beside what was measured."""


@dataclass(frozen=True)
class Chart:
    """Lines over x; y goes from 0 to `at_most` (None: to the largest value)."""

    title: str
    x_label: str
    lines: Sequence[Line]
    at_most: float | None = None
    x_values: Sequence[float] = ()
    """Where there are some, x is logarithmic, and these alone have ticks."""

    def draw(self) -> list[str]:
        from pipeline.report.charts import ticks  # its package takes a second to import

        top = self._top()
        parts = [text(WIDTH / 2, 18, self.title), text(LEFT + INNER_WIDTH / 2, HEIGHT - 30, self.x_label)]
        for tick in ticks(top):
            y = _y(tick, top)
            parts.append(f'<path d="M{LEFT} {y:.1f}h{INNER_WIDTH}" stroke="{FAINT}"/>')
            parts.append(text(LEFT - 6, y + 4, f"{tick:g}", anchor="end"))
        for tick in self.x_values or ticks(self._x_most()):
            parts.append(text(self._x(tick), HEIGHT - BOTTOM + 18, f"{tick:g}"))
        for index, line in enumerate(self.lines):
            parts += self._line(line, COLOURS[index % len(COLOURS)], top)
        return [*parts, *_legend([line.name for line in self.lines])]

    def _line(self, line: Line, colour: str, top: float) -> list[str]:
        places = [(self._x(x), _y(y, top)) for x, y in line.points]
        parts = []
        if line.spread:
            pairs = list(zip(line.points, line.spread))
            upper = [(self._x(x), _y(min(top, y + s), top)) for (x, y), s in pairs]
            lower = [(self._x(x), _y(max(0.0, y - s), top)) for (x, y), s in reversed(pairs)]
            parts.append(f'<polygon points="{_joined(upper + lower)}" fill="{colour}" fill-opacity="0.2"/>')
        parts.append(_polyline(places, colour, line.dashed))
        if self.x_values and not line.dashed:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        return parts

    def _top(self) -> float:
        highest = [
            y + s
            for line in self.lines
            for (_, y), s in zip(line.points, line.spread or [0.0] * len(line.points))
        ]
        return self.at_most or max(highest, default=1.0) or 1.0

    def _x_most(self) -> float:
        return max((x for line in self.lines for x, _ in line.points), default=1.0) or 1.0

    def _x(self, value: float) -> float:
        if not self.x_values:
            return LEFT + INNER_WIDTH * value / self._x_most()
        return LEFT + INNER_WIDTH * (0.08 + 0.84 * _place(value, self.x_values))


@dataclass(frozen=True)
class Grid:
    """A number for each pair of column and row, the larger the darker, with lines of laws over them."""

    title: str
    x_label: str
    y_label: str
    """Stands below, before the names of the laws."""
    columns: Sequence[float]
    rows: Sequence[float]
    """From bottom to top."""
    values: Sequence[Sequence[float | None]]
    """By row and column; None where there is no number."""
    laws: Sequence[Line] = ()
    """Points are (column, row) in their own units; those beside the grid are left out."""

    DARKEST: ClassVar[float] = 0.75

    def draw(self) -> list[str]:
        known = [value for row in self.values for value in row if value is not None]
        low, high = min(known, default=0.0), max(known, default=1.0)
        parts = [text(WIDTH / 2, 18, self.title), text(LEFT + INNER_WIDTH / 2, HEIGHT - 30, self.x_label)]
        width, height = INNER_WIDTH / len(self.columns), INNER_HEIGHT / len(self.rows)
        for r, row in enumerate(self.values):
            y = TOP + INNER_HEIGHT - (r + 1) * height
            parts.append(text(LEFT - 6, y + height / 2 + 4, f"{self.rows[r]:g}", anchor="end"))
            for c, value in enumerate(row):
                shade = 0.0 if value is None else self.DARKEST * (value - low) / max(high - low, 1e-9)
                x = LEFT + c * width
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                    f'fill="{COLOURS[0]}" fill-opacity="{shade:.3f}" stroke="{FAINT}"/>'
                )
                shown = "-" if value is None else f"{value:.3f}"
                parts.append(text(x + width / 2, y + height / 2 + 16, shown))
        for c, column in enumerate(self.columns):
            parts.append(text(LEFT + (c + 0.5) * width, HEIGHT - BOTTOM + 18, f"{column:g}"))
        for index, law in enumerate(self.laws, 1):
            places = [
                (
                    LEFT + (_index(x, self.columns) + 0.5) * width,
                    TOP + INNER_HEIGHT - (_index(y, self.rows) + 0.5) * height,
                )
                for x, y in law.points
                if min(self.rows) * (1 - 1e-9) <= y <= max(self.rows) * (1 + 1e-9)
            ]
            parts.append(_polyline(places, COLOURS[index], law.dashed))
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[index]}"/>' for x, y in places]
        return [*parts, *_legend([self.y_label, *(law.name for law in self.laws)])]


@dataclass(frozen=True)
class Bars:
    """A bar for each of some named values, from 0."""

    title: str
    rows: Sequence[tuple[str, float]]

    def draw(self) -> list[str]:
        parts = [text(WIDTH / 2, 18, self.title)]
        most = max((value for _, value in self.rows), default=1.0) or 1.0
        height = (HEIGHT - TOP - 10) / max(1, len(self.rows))
        for index, (name, value) in enumerate(self.rows):
            y, length = TOP + index * height, (WIDTH - 2 * RIGHT - 60) * value / most
            parts.append(
                f'<rect x="{RIGHT}" y="{y:.1f}" width="{length:.1f}" height="{height * 0.8:.1f}" '
                f'fill="{COLOURS[0]}" fill-opacity="0.35"/>'
            )
            parts.append(text(RIGHT + 6, y + height * 0.4 + 4, name, anchor="start"))
            parts.append(text(RIGHT + length + 6, y + height * 0.4 + 4, f"{value:.1f}", anchor="start"))
        return parts


def figure(panels: Sequence[Panel], remark: str) -> str:
    """The SVG text of all panels, two a row, with a remark below them."""
    columns, rows = min(A_ROW, len(panels)), -(-len(panels) // A_ROW)
    parts = []
    for index, panel in enumerate(panels):
        x, y = index % A_ROW * WIDTH, index // A_ROW * HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *panel.draw(), "</g>"]
    parts.append(text(10, rows * HEIGHT + 14, remark, anchor="start"))
    return document(columns * WIDTH, rows * HEIGHT + 24, parts)


def document(width: int, height: int, parts: Sequence[str]) -> str:
    """An SVG file of some elements on white."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    content = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{content}\n</svg>\n'
    )


def text(x: float, y: float, words: str, colour: str = INK, anchor: str = "middle") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _legend(names: Sequence[str]) -> list[str]:
    """The names of lines in their colours, below the chart."""
    step = INNER_WIDTH / max(1, len(names))
    return [
        text(LEFT + index * step, HEIGHT - 8, name, COLOURS[index % len(COLOURS)], anchor="start")
        for index, name in enumerate(names)
    ]


def _polyline(places: Sequence[Place], colour: str, dashed: bool) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{_joined(places)}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _joined(places: Sequence[Place]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _y(value: float, top: float) -> float:
    return TOP + INNER_HEIGHT * (1 - min(max(value / top, 0.0), 1.0))


def _place(value: float, values: Sequence[float]) -> float:
    """Where a value lies between the least and the largest of some, 0 to 1, by its logarithm."""
    low, high = math.log(min(values)), math.log(max(values))
    return 0.5 if high == low else (math.log(value) - low) / (high - low)


def _index(value: float, values: Sequence[float]) -> float:
    """Where a value lies in an ascending list, between two of them by its logarithm."""
    for index, (a, b) in enumerate(itertools.pairwise(values)):
        if value <= b:
            return index + (math.log(value) - math.log(a)) / (math.log(b) - math.log(a))
    return float(len(values) - 1)
