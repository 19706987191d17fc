"""A whole run whose image and labels are in a bucket, killed and started again, as its user starts it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from test_bucket_run import finished, start

from pipeline.config import RunConfig
from pipeline.synthetic.phantom import Phantom
from tests.local_s3 import LocalS3
from tests.tiny_run import RUN_FILE

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


def write_ome_zarr(folder: Path, image: np.ndarray) -> None:
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array("s0", shape=image.shape, dtype=image.dtype, chunks=(16, 16, 16))[...] = image
    steps = [{"type": "scale", "scale": [8.0] * 3}]
    axes: Any = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    levels: Any = [{"path": "s0", "coordinateTransformations": steps}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]


def write_n5(folder: Path, labels: np.ndarray) -> None:
    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": f"{folder}/labels/"},
        "metadata": {
            "dimensions": labels.shape[::-1], "blockSize": [16] * 3, "dataType": labels.dtype.name,
            "compression": {"type": "gzip"}, "resolution": [8.0] * 3,
        },
    }  # fmt: skip
    tensorstore.open(spec, create=True).result().write(labels.T).result()


def test_a_run_on_a_bucket_s_volumes_ends_as_one_on_a_folder_s(s3: LocalS3, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    phantom = Phantom((48, 48, 112), 3, RunConfig().data.phantom.spacing)
    write_ome_zarr(tmp_path / "em.zarr", phantom.image(phantom.box))
    write_n5(tmp_path / "truth.n5", phantom.labels(phantom.box).astype(np.uint32))
    bucket = s3.bucket()
    for path in (path for name in ("em.zarr", "truth.n5") for path in (tmp_path / name).rglob("*")):
        if path.is_file():
            key = path.relative_to(tmp_path).as_posix()
            s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    where = {"there": s3.uri(bucket, "{}"), "here": str(tmp_path / "{}")}
    options = {
        name: (
            *("--run-dir", name, "--set", f"data.image={place.format('em.zarr')}"),
            *("--set", f"data.labels={place.format('truth.n5')}:labels"),
        )
        for name, place in where.items()
    }
    process = start(tmp_path, *options["there"])
    tiles = tmp_path / "there" / "tiles"
    while process.poll() is None and not any(tiles.glob("z*")):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    finished(tmp_path, *options["there"])
    finished(tmp_path, *options["here"])
    made = {
        name: {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name / "segmentation").rglob("*")
            if path.is_file() and path.name != "provenance"
        }
        for name in where
    }
    assert made["there"] == made["here"]
    metrics = [(tmp_path / name / "metrics.json").read_bytes() for name in where]
    assert metrics[0] == metrics[1]
