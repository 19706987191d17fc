"""Pictures in three dimensions: sizes are true, the near hides the far, voxels may be long."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.report.colours import colours_of
from pipeline.report.objects import PIXELS, draw


def ball(shape: tuple[int, int, int], voxel_size: tuple[float, float, float], radius: float) -> np.ndarray:
    """A ball of so many units in the middle of a volume whose voxels are of `voxel_size` (z, y, x)."""
    places = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij"), -1)
    away = (places - np.array(shape) / 2) * voxel_size
    return ((away**2).sum(-1) < radius**2).astype(np.uint64)


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (4.0, 1.0, 1.0), (1.0, 2.0, 1.0)])
def test_a_ball_is_seen_as_a_disc_of_its_size_whatever_the_voxels(
    voxel_size: tuple[float, float, float],
) -> None:
    side, radius = 96.0, 40.0
    shape = tuple(round(side / size) for size in voxel_size)
    drawn = draw(ball((shape[0], shape[1], shape[2]), voxel_size, radius), [1], np.array(voxel_size))
    seen = drawn[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert abs(len(rows) - len(columns)) < 0.05 * len(rows)
    assert seen.sum() == pytest.approx(np.pi / 4 * len(rows) * len(columns), rel=0.04)
    assert abs((rows[0] + rows[-1]) / 2 - PIXELS / 2) < 0.02 * PIXELS


def test_what_lies_in_front_hides_what_lies_behind() -> None:
    ids = np.zeros((60, 60, 60), np.uint64)
    ids[20:40, 20:40, 20:40] = 7
    alone = draw(ids, [7], np.ones(3))
    ids[(ids == 0) & (ball((60, 60, 60), (1, 1, 1), 29) > 0)] = 9
    around = draw(ids, [7, 9], np.ones(3))
    colour = colours_of(np.array([9], np.uint64))[0].astype(float)
    shown = around[around[..., 3] > 0][:, :3]
    bright = shown[shown.max(axis=1) > 60].astype(float)
    assert (alone[..., 3] > 0).any()
    assert np.allclose(bright / bright.max(axis=1, keepdims=True), colour / colour.max(), atol=0.05)


def test_light_comes_from_above() -> None:
    drawn = draw(ball((64, 64, 64), (1, 1, 1), 30), [1], np.ones(3)).astype(float)
    rows = np.flatnonzero((drawn[..., 3] > 0).any(axis=1))
    middle = PIXELS // 2
    upper, lower = rows[0] + len(rows) // 8, rows[-1] - len(rows) // 8
    assert drawn[upper, middle, :3].max() > 1.5 * drawn[lower, middle, :3].max()


def test_ids_beyond_32_bits_are_told_apart() -> None:
    ids = np.zeros((32, 32, 32), np.uint64)
    ids[:, :, :16], ids[:, :, 16:] = 5, 5 + 2**32
    drawn = draw(ids, [5, 5 + 2**32], np.ones(3))
    tones = {tuple((c / max(1, c.max())).round(1)) for c in drawn[drawn[..., 3] > 0][:, :3].astype(float)}
    assert len(tones) == 2
