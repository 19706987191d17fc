"""Shards at hand are read as CloudVolume reads them, without its threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cloudvolume import CloudVolume
from cloudvolume.datasource.precomputed.sharding import ShardingSpecification

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes import open_volume

SHAPE = (12, 20, 28)
VOXELS = np.random.default_rng(4).integers(0, 2**40, SHAPE, np.uint64)
VOXELS[4:8, 8:12, 16:20] = 0


def written(folder: Path, packing: str, encoding: str) -> CloudVolume:
    """In shards of eight chunks of 4^3 voxels, cut off at the end; z, y, x."""
    info = CloudVolume.create_new_info(
        1, "segmentation", "uint64", encoding, (8, 8, 8), (0, 0, 0), SHAPE[::-1], chunk_size=(4, 4, 4)
    )
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 2, "hash": "identity",
        "minishard_bits": 1, "shard_bits": 6, "minishard_index_encoding": packing, "data_encoding": packing,
    }  # fmt: skip
    info["scales"][0]["sharding"] = sharding
    cloud = CloudVolume(f"file://{folder}", info=info, progress=False)
    cloud.commit_info()
    in_one = ShardingSpecification.from_dict({**sharding, "shard_bits": 0, "minishard_bits": 7})
    voxels = np.asfortranarray(VOXELS.T[..., np.newaxis])
    chunks = cloud.image.make_shard_chunks(voxels, cloud.bounds, mip=0, spec=in_one)
    spec = ShardingSpecification.from_dict(sharding)
    level = folder / cloud.key
    level.mkdir()
    for name, content in spec.synthesize_shards(chunks).items():
        (level / name).write_bytes(content)
    return cloud


@pytest.mark.parametrize("packing", ["raw", "gzip"])
@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation"])
def test_every_box_has_the_voxels_that_cloudvolume_finds(tmp_path: Path, packing: str, encoding: str) -> None:
    cloud = written(tmp_path / "volume", packing, encoding)
    assert len(list((tmp_path / "volume" / cloud.key).iterdir())) > 4
    volume = open_volume(f"precomputed://file://{tmp_path / 'volume'}")
    for box in (Box((0, 0, 0), SHAPE), Box((3, 5, 7), (9, 18, 28)), Box((4, 8, 16), (5, 9, 17))):
        expected = np.asarray(cloud[tuple(reversed(box.slices()))])[..., 0].T
        np.testing.assert_array_equal(volume.read(box), expected)
        np.testing.assert_array_equal(expected, VOXELS[box.slices()])


def test_a_shard_that_is_cut_short_is_named(tmp_path: Path) -> None:
    cloud = written(tmp_path / "volume", "gzip", "raw")
    volume = open_volume(f"precomputed://file://{tmp_path / 'volume'}")
    for shard in (tmp_path / "volume" / cloud.key).iterdir():
        shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"cannot read box .*\.shard ends before byte [\d,]+"):
        volume.read(Box((0, 0, 0), SHAPE))


@pytest.mark.parametrize("place", [300, -40])  # where chunks are, and where they are listed
def test_a_shard_that_cannot_be_unpacked_is_one_error(tmp_path: Path, place: int) -> None:
    cloud = written(tmp_path / "volume", "gzip", "raw")
    volume = open_volume(f"precomputed://file://{tmp_path / 'volume'}")
    for shard in (tmp_path / "volume" / cloud.key).iterdir():
        content = bytearray(shard.read_bytes())
        content[place : place + 16] = bytes(16)
        shard.write_bytes(content)
    with pytest.raises(InputError, match="cannot read box"):
        volume.read(Box((0, 0, 0), SHAPE))
