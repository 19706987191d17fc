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
