"""A chart of scaling as SVG: bars for the time, a line for the efficiency."""

from __future__ import annotations

from collections.abc import Sequence

from workflows.studies.drawing import INK, document, text

WIDTH, HEIGHT, MARGIN = 640, 360, 60
BAR, LINE = "#9db4c0", "#c8553d"


def chart(points: Sequence[tuple[int, float, float]], unit: str) -> str:
    """The SVG text for points of (how many `unit`, seconds, efficiency), at least one.

    Time is read on the left, from 0; efficiency on the right, 0 to 1, or up to the highest above that.
    """
    longest = max(seconds for _, seconds, _ in points)
    highest = max(1.0, *(efficiency for _, _, efficiency in points))
    step, height = (WIDTH - 2 * MARGIN) / len(points), HEIGHT - 2 * MARGIN
    floor = HEIGHT - MARGIN
    parts, line = [], []
    for index, (count, seconds, efficiency) in enumerate(points):
        x, top = MARGIN + step * (index + 0.5), floor - height * seconds / longest
        y = floor - height * efficiency / highest
        line.append(f"{x:.1f},{y:.1f}")
        parts += [
            f'<rect x="{x - step / 4:.1f}" y="{top:.1f}" width="{step / 2:.1f}" '
            f'height="{floor - top:.1f}" fill="{BAR}"/>',
            text(x, floor - 8, f"{seconds:.1f} s"),
            text(x, floor + 18, str(count)),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{LINE}"/>',
            text(x, y - 10, f"{efficiency:.2f}", LINE),
        ]
    parts.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    parts.append(f'<path d="M{MARGIN} {floor}H{WIDTH - MARGIN}" stroke="{INK}"/>')
    parts.append(text(WIDTH / 2, HEIGHT - 15, f"{unit}, each with the same share of work"))
    parts.append(text(WIDTH / 2, 20, "bars: time; line: efficiency"))
    return document(WIDTH, HEIGHT, parts)
