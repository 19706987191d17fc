"""Mean and standard deviation by strips are NumPy's of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.sections.grey import ROWS_AT_ONCE, mean_and_stddev


@pytest.mark.parametrize("rows", [1, ROWS_AT_ONCE, 3 * ROWS_AT_ONCE + 7])
def test_strips_give_what_the_whole_gives(rows: int) -> None:
    values = np.random.default_rng(0).integers(0, 60_000, (rows, 33), np.uint16)
    assert mean_and_stddev(values) == pytest.approx((values.mean(), values.std()), rel=1e-12)
