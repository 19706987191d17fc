"""A run whose image, mask and labels are in a bucket, killed and started again, as its user starts it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import zarr
from test_bucket_run import finished, start

from pipeline.geometry import Box
from pipeline.synthetic.phantom import Phantom
from pipeline.volumes import open_volume
from tests.local_s3 import LocalS3
from tests.pipeline.inference.bright_blocks import write_network
from tests.tiny_run import RUN_FILE as TINY

pytestmark = pytest.mark.slow

SHAPE = (24, 24, 40)
BLOCKS = (np.s_[2:22, 2:22, 2:12], np.s_[2:22, 2:10, 15:38], np.s_[2:22, 14:22, 15:38])
"""The last two are each in both tiles."""

RUN_FILE = """
data:
  {image: "IN/em.zarr", labels: "IN/truth.n5:labels", mask: "IN/tissue.zarr", image_mean: 128,
   image_stddev: 33}
network: {checkpoint: ffn.h5, fov: [7, 7, 7], deltas: [2, 2, 2], depth: 1, features: 2}
inference: {box: "0:24,0:24,0:40", tile: [24, 24, 26], overlap: [0, 0, 12], min_segment_voxels: 200}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10}
"""


def write_ome_zarr(folder: Path, voxels: np.ndarray) -> None:
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array("s0", shape=voxels.shape, dtype=voxels.dtype, chunks=(16, 16, 16))[...] = voxels
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


def uploaded(s3: LocalS3, folder: Path) -> str:
    """The address of a bucket that holds what the folder does."""
    bucket = s3.bucket()
    for path in filter(Path.is_file, folder.rglob("*")):
        key = path.relative_to(folder).as_posix()
        s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return s3.uri(bucket, "").rstrip("/")


def killed_once(folder: Path, when: Callable[[], bool]) -> None:
    process = start(folder, "--run-dir", "run")
    while process.poll() is None and not when():
        time.sleep(0.02)
    process.kill()
    said, _ = process.communicate()
    assert process.returncode < 0, said


def test_what_is_bright_in_a_bucket_is_segmented_and_scored(s3: LocalS3, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    image, truth = rng.integers(60, 80, SHAPE, np.uint8), np.zeros(SHAPE, np.uint32)
    for number, block in enumerate(BLOCKS, 1):
        image[block] += 135
        truth[block] = number
    write_ome_zarr(tmp_path / "em.zarr", image)
    write_ome_zarr(tmp_path / "tissue.zarr", np.ones(SHAPE, np.uint8))
    write_n5(tmp_path / "truth.n5", truth)
    there = uploaded(s3, tmp_path)
    write_network(tmp_path)
    (tmp_path / "run.yaml").write_text(RUN_FILE.replace("IN", there))

    tiles = tmp_path / "run" / "tiles"
    killed_once(tmp_path, lambda: any(tiles.glob("z*")))
    finished(tmp_path, "--run-dir", "run")

    volume = open_volume(str(tmp_path / "run" / "segmentation"))
    segments = volume.read(volume.box)
    assert not segments[truth == 0].any()
    ids = set()
    for block in BLOCKS:
        found, counts = np.unique(segments[block][segments[block] > 0], return_counts=True)
        assert len(found) == 1
        assert counts[0] > 0.7 * segments[block].size
        ids.add(int(found[0]))
    assert len(ids) == len(BLOCKS)
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())["both_foreground"]
    for name in ("are", "voi_split", "voi_merge"):
        assert scores[name] == pytest.approx(0, abs=1e-9)


@pytest.mark.thorough
def test_a_training_on_a_bucket_ends_as_one_on_files(s3: LocalS3, tmp_path: Path) -> None:
    """Killed in its midst; there as here what goes into no memory is read where examples need it."""
    box = Box.of_shape((48, 48, 112))
    phantom = Phantom(box.shape, seed=3)
    volumes = tmp_path / "volumes"
    write_ome_zarr(volumes / "em.zarr", phantom.image(box))
    write_n5(volumes / "truth.n5", phantom.labels(box).astype(np.uint32))
    told = TINY.replace("phantom: {shape: [48, 48, 112], seed: 3}", "image_mean: 128\n  image_stddev: 33")
    told = told.replace("  fovs: 40", "  fovs: 400\n  cache_gib: 0.0005\n  checkpoint_every_s: 1")
    for name, place in (("files", str(volumes)), ("bucket", uploaded(s3, volumes))):
        named = told.replace("image: phantom", f'image: "{place}/em.zarr"')
        named = named.replace("labels: phantom", f'labels: "{place}/truth.n5:labels"')
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.yaml").write_text(named)
    killed_once(tmp_path / "bucket", (tmp_path / "bucket" / "run" / "logs" / "training.jsonl").exists)
    results = []
    for name in ("files", "bucket"):
        finished(tmp_path / name, "--run-dir", "run")
        segments = open_volume(str(tmp_path / name / "run" / "segmentation"))
        results.append((json.loads((tmp_path / name / "run" / "metrics.json").read_text()), segments))
    (here, segments), (there, those) = results
    assert here == there
    np.testing.assert_array_equal(segments.read(segments.box), those.read(those.box))
    assert segments.read(segments.box).any()
