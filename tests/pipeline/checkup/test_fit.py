"""Labels that do not lie on the image as they are read are told, and no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from as_people_have_them import CREMI, cells, findings, run_on, write_hdf5
from skimage.segmentation import expand_labels

CUBE = (48, 48, 48)
SECTIONS = (40, 64, 64)


def grown(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cells whose labels meet in the middle of membranes."""
    image, labels = cells(shape)
    return image, expand_labels(labels, 4)


def told(folder: Path, image: np.ndarray, labels: np.ndarray, **data: object) -> str:
    write_hdf5(folder / "em.h5", image=image, labels=labels)
    return findings(run_on(folder, data={"labels": "em.h5:labels", **data}))["labels"]


@pytest.mark.parametrize(
    ("shape", "change", "doubt"),
    [
        (
            CUBE,
            lambda labels: labels.transpose(2, 1, 0),
            "with x, y, z for what is read as z, y, x they fit the image far better",
        ),
        (
            CUBE,
            lambda labels: labels.transpose(1, 2, 0),
            "for what is read as z, y, x they fit the image far better",
        ),
        (
            (40, 40, 64),
            lambda labels: labels.transpose(1, 0, 2),
            "with y, z, x for what is read as z, y, x they fit the image far better",
        ),
        (SECTIONS, lambda labels: labels.transpose(0, 2, 1), "with z, x, y for what is read as z, y, x"),
        (SECTIONS, lambda labels: labels[:, ::-1], "mirrored along y they fit the image far better"),
        (SECTIONS, lambda labels: labels[::-1], "mirrored along z they fit the image far better"),
        (SECTIONS, lambda labels: labels[::-1, ::-1], "mirrored along z and y they fit"),
        (SECTIONS, lambda labels: np.roll(labels, (7, -9), (1, 2)), "moved by (0, -7, 9) voxels (z, y, x)"),
    ],
)
def test_labels_that_are_turned_or_moved_are_told(
    tmp_path: Path, shape: tuple[int, int, int], change: object, doubt: str
) -> None:
    image, labels = grown(shape)
    assert callable(change)
    found = told(tmp_path, image, np.ascontiguousarray(change(labels)))
    assert found.startswith("warn")
    assert doubt in found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [CUBE, SECTIONS])
def test_labels_that_fit_are_not_doubted(tmp_path: Path, shape: tuple[int, int, int], seed: int) -> None:
    image, labels = cells(shape, seed)
    for name, drawn in (("right", labels), ("beside", np.roll(labels, (1, 2), (1, 2)))):
        (tmp_path / name).mkdir()
        assert "fit the image" not in told(tmp_path / name, image, drawn)
    (tmp_path / "inverted").mkdir()
    assert "fit the image" not in told(tmp_path / "inverted", 255 - image, labels)


def test_nothing_is_told_of_an_image_that_shows_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(1, 255, SECTIONS, dtype=np.uint8)
    assert "fit the image" not in told(tmp_path, noise, cells(SECTIONS)[1])


@pytest.mark.parametrize(("dtype", "value"), [(np.uint8, 0), (np.float32, -1e38)])
def test_nothing_is_told_where_the_image_is_padded(tmp_path: Path, dtype: type, value: float) -> None:
    image, labels = cells((40, 48, 48))
    padded = image.astype(dtype)
    padded[8:32] = value
    assert "fit the image" not in told(tmp_path, padded, labels, image_mean=128, image_stddev=40)


def test_an_offset_in_voxels_that_is_taken_for_nm_is_told(tmp_path: Path) -> None:
    image, labels = grown((40, 96, 96))
    part = labels[:, 16:, 16:]
    write_hdf5(
        tmp_path / "em.h5", image=(image, CREMI), labels=(part, {**CREMI, "offset": (0.0, 16.0, 16.0)})
    )
    assert (
        "moved by (0, 12, 12) voxels" in findings(run_on(tmp_path, data={"labels": "em.h5:labels"}))["labels"]
    )
