"""Images of all types and contrasts are normalised as they are; what can hardly be an image is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from as_people_have_them import CREMI, SHAPE, cells, findings, run_on, write_hdf5

from pipeline.errors import InputError


@pytest.mark.parametrize(
    ("convert", "mean"),
    [
        (lambda image: image.astype(np.uint16) * 257, 257.0),
        (lambda image: image.astype(np.uint16) * 4 + 30000, 4.0),
        (lambda image: image.astype(np.float32) / 255, 1 / 255),
        (lambda image: image.astype(np.int16) - 128, 1.0),
        (lambda image: image.astype(np.float16), 1.0),
        (lambda image: image.astype(">u2"), 1.0),
    ],
)
def test_mean_and_standard_deviation_are_measured_where_they_are_not_given(
    tmp_path: Path, convert: Any, mean: float
) -> None:
    image, _ = cells()
    values = convert(image)
    write_hdf5(tmp_path / "em.h5", image=values)
    run = run_on(tmp_path)
    found, spread = run.normalisation
    assert found == pytest.approx(values.astype(float).mean(), rel=0.01)
    assert spread == pytest.approx(values.astype(float).std(), rel=0.02)
    assert spread == pytest.approx(mean * image.astype(float).std(), rel=0.02)
    assert findings(run)["intensity"].startswith("ok")


def test_a_normalisation_that_is_not_the_image_s_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=image.astype(np.uint16) * 257)
    told = findings(run_on(tmp_path, data={"image_mean": 128, "image_stddev": 33}))["intensity"]
    assert told.startswith("warn")
    assert "data.image_mean is 128 and data.image_stddev 33" in told


@pytest.mark.parametrize("value", [0, 255])
def test_a_blank_image_is_refused(tmp_path: Path, value: int) -> None:
    write_hdf5(tmp_path / "em.h5", image=np.full(SHAPE, value, np.uint8))
    with pytest.raises(InputError, match=r"em\.h5:image is blank in 0:40,0:48,0:56"):
        run_on(tmp_path)


def test_a_saturated_image_is_told(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=np.where(image > 150, 255, image).astype(np.uint8))
    assert "of the voxels are 255: the image may be saturated" in findings(run_on(tmp_path))["intensity"]


@pytest.mark.parametrize(
    ("image", "is_told"),
    [
        (lambda grey: grey.astype(np.uint32) + np.uint32(3_000_000_000), True),
        (lambda grey: grey * 1e-3 + 1e6, True),
        (lambda grey: grey + 1e6, False),
        (lambda grey: grey.astype(np.int32) - 100_000, False),
    ],
)
def test_an_image_of_which_float32_leaves_nothing_is_refused(
    image: Callable[[np.ndarray], np.ndarray], is_told: bool, tmp_path: Path
) -> None:
    stored = image(cells()[0])
    write_hdf5(tmp_path / "em.h5", image=stored)
    run = run_on(tmp_path)
    mean, stddev = run.normalisation
    assert abs(mean - stored.mean()) < stddev / 5  # a part of the image was measured
    if is_told:
        with pytest.raises(InputError, match="which is what float32 has there, little is left"):
            findings(run)
    else:
        assert findings(run)["intensity"].startswith("ok")


def test_a_tissue_range_that_no_voxel_is_in_is_doubted(tmp_path: Path) -> None:
    image, _ = cells()
    write_hdf5(tmp_path / "em.h5", image=(image, CREMI))
    found = findings(run_on(tmp_path, data={"tissue_range": [1000, 2000]}))["intensity"]
    assert "none is in data.tissue_range" in found


@pytest.mark.parametrize("padding", [-1e38, 3e38, -9999])
def test_padding_that_spoils_mean_and_standard_deviation_is_told(tmp_path: Path, padding: float) -> None:
    """By a few voxels of it all tissue is one value."""
    image, _ = cells()
    values = image.astype(np.float32) / 255
    values[:, :2] = padding
    write_hdf5(tmp_path / "em.h5", image=values)
    refused = (
        r"most of them near 0\.6\d+: some are padding.*save 0\.6\d+ there, or, if all are right, set data"
    )
    with pytest.raises(InputError, match=refused):
        run_on(tmp_path)
    told = findings(run_on(tmp_path, data={"image_mean": 0.5, "image_stddev": 0.2}))["intensity"]
    assert "and a few far from it: padding" in told
    assert "leave both out" not in told  # which is refused
