"""Charts as numbers: ticks are round and evenly spaced, the last point is never lost."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts import MOST_POINTS, line_chart, ticks


@given(st.floats(1e-6, 1e12))
def test_ticks_are_few_even_and_within(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert 3 <= len(found) <= 7
    assert found[-1] <= most * (1 + 1e-6)
    assert np.allclose(np.diff(found), found[1], rtol=1e-5)
    mantissa = found[1] / 10 ** np.floor(np.log10(found[1]) + 1e-9)
    assert min(abs(mantissa - round_one) for round_one in (1, 2, 2.5, 5, 10)) < 1e-4


@given(st.integers(1, 3000))
def test_of_many_points_some_are_kept_and_always_the_last(many: int) -> None:
    x = [float(i + 1) for i in range(many)]
    chart = line_chart(x, {"loss": [1 / i for i in x]})
    points = chart["series"][0]["points"]
    assert len(points) <= MOST_POINTS + 1
    assert points[0] == [1.0, 1.0]
    assert points[-1] == [x[-1], 1 / x[-1]]
    assert points == sorted(points)


@given(st.integers(2, 9), st.integers(1000, 3000))
def test_a_line_with_gaps_at_even_distances_is_drawn_however_many_values_there_are(
    every: int, many: int
) -> None:
    f1 = [None if i % every == 0 else 0.5 for i in range(many)]  # as where a round of a training begins
    (line,) = line_chart(range(1, many + 1), {"f1": f1})["series"]
    assert MOST_POINTS / 2 < len(line["points"]) <= MOST_POINTS + 1


@given(st.integers(-5000, 5000), st.integers(2, 3000), st.data())
def test_of_places_the_axis_begins_with_the_first_and_the_worst_is_kept(
    first: int, many: int, data: st.DataObject
) -> None:
    residuals = [1.0] * many
    at = data.draw(st.integers(0, many - 1))
    residuals[at] = 9.0
    chart = line_chart(range(first, first + many), {"sections": residuals}, of_places=True)
    assert [first + at, 9.0] in chart["series"][0]["points"]
    assert (chart["x_least"], chart["x_most"]) == (first, first + many - 1)
    assert all(first <= tick <= first + many - 1 for tick in chart["x_ticks"])
    assert chart["x_ticks"]
