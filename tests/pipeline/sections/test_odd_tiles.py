"""Tiles that are not as usual: with values that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from pipeline.errors import InputError
from pipeline.sections.tiles import ImageTile

SIDE = 40
WHOLE = np.random.default_rng(3).normal(120, 20, (SIDE, 2 * SIDE)).astype(np.float32)


def tile(folder: Path, name: str, values: np.ndarray, x: float = 0) -> ImageTile:
    tifffile.imwrite(folder / name, values)
    return ImageTile(name, str(folder / name), 0, x, (SIDE, SIDE), str(folder))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_tile_with_values_that_are_none_is_refused_by_name(tmp_path: Path, wrong: float) -> None:
    values = WHOLE[:, :SIDE].copy()
    values[3, 5:7] = wrong
    with pytest.raises(InputError, match=r"a\.tif has 2 pixels that are NaN or infinite"):
        tile(tmp_path, "a.tif", values).read()
