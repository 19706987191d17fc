"""Lost sections: others are shown in their place, whatever is left of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import Choice, open_volume
from pipeline.volumes.replaced_sections import ReplacedSections

IMAGE = np.random.default_rng(1).integers(1, 256, (7, 40, 50), dtype=np.uint8)
SHOWN = IMAGE[[1, 1, 2, 4, 4, 5, 5]]
"""With sections 0, 3 and 6 lost."""
REPLACED = {10: 11, 13: 14, 16: 15}
ORIGIN = (10, 0, 0)


@pytest.mark.parametrize("kind", ["numbers", "nan", "torn"])
def test_what_is_lost_is_not_read_where_another_is_shown(kind: str, tmp_path: Path) -> None:
    uri = str(tmp_path / "v.npy")
    if kind == "torn":
        uri = str(tmp_path)
        for z in range(7):
            imsave(tmp_path / f"z{z}.png", IMAGE[z], check_contrast=False)
        for z in (3, 6):
            whole = (tmp_path / f"z{z}.png").read_bytes()
            (tmp_path / f"z{z}.png").write_bytes(whole[: len(whole) // 2])
    else:
        stored = IMAGE.astype(np.float32)
        stored[[0, 3, 6]] = np.nan if kind == "nan" else 7
        np.save(uri, stored)
    volume = ReplacedSections(open_volume(uri, Choice(origin=ORIGIN)), REPLACED)
    np.testing.assert_array_equal(volume.read(volume.box), SHOWN)
    for start in range(7):
        part = Box((10 + start, 3, 4), (17, 30, 9))
        np.testing.assert_array_equal(volume.read(part), SHOWN[start:, 3:30, 4:9])


@pytest.mark.parametrize("cut", [0, 3, 6])
def test_a_slice_of_another_size_or_that_is_torn_may_be_replaced_wherever_it_lies(
    cut: int, tmp_path: Path
) -> None:
    for z in range(7):
        imsave(tmp_path / f"z{z}.png", IMAGE[z, :35] if z == cut else IMAGE[z], check_contrast=False)
    instead = {cut + 10: {0: 11, 3: 14, 6: 15}[cut]}
    volume = ReplacedSections(open_volume(str(tmp_path), Choice(origin=ORIGIN, replaced=instead)), instead)
    shown = IMAGE.copy()
    shown[cut] = IMAGE[instead[cut + 10] - 10]
    np.testing.assert_array_equal(volume.read(volume.box), shown)
    (tmp_path / f"z{cut}.png").write_bytes(b"torn")
    volume = ReplacedSections(open_volume(str(tmp_path), Choice(origin=ORIGIN, replaced=instead)), instead)
    np.testing.assert_array_equal(volume.read(volume.box), shown)
    (tmp_path / f"z{cut}.png").unlink()
    imsave(tmp_path / f"z{cut}.png", IMAGE[cut, :35], check_contrast=False)
    with pytest.raises(InputError, match=r"another section in its place, by data\.replace_sections"):
        open_volume(str(tmp_path))


def test_what_is_shown_has_to_be_read(tmp_path: Path) -> None:
    stored = IMAGE.astype(np.float32)
    stored[4, 5, 6] = np.inf
    np.save(tmp_path / "v.npy", stored)
    volume = ReplacedSections(open_volume(str(tmp_path / "v.npy"), Choice(origin=ORIGIN)), REPLACED)
    with pytest.raises(InputError, match=r"has 1 voxel of NaN or infinity in box 14:15,0:40,0:50: save"):
        volume.read(Box((13, 0, 0), (14, 40, 50)))
