"""A volume in a bucket of Google's: the same bytes as in a folder, and mended object by object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_bucket_volume import BOX, TRUTH, files_of, into, run_of
from test_reconciliation_stage import reconcile, segment
from tiled_volume import relabelled_equally

from pipeline.checkup.output import output as check
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import create_volume
from pipeline.results import bucket as buckets
from pipeline.results.bucket import Bucket
from pipeline.run_folder import Run
from pipeline.volumes import open_volume
from tests.local_gcs import LocalGcs


@pytest.fixture
def bucket(gcs: LocalGcs) -> str:
    return gcs.bucket()


@pytest.fixture
def run(tmp_path: Path, gcs: LocalGcs, bucket: str) -> Run:
    """A run whose volume is in the bucket, but not yet written."""
    return into(run_of(tmp_path / "run"), gcs.uri(bucket))


def test_the_bucket_gets_the_bytes_of_the_folder(
    run: Run, gcs: LocalGcs, bucket: str, tmp_path: Path
) -> None:
    assert check(run).state == "ok"
    local = run_of(tmp_path / "local")
    made, in_bucket = reconcile(local, segment(local, TRUTH)), reconcile(run, segment(run, TRUTH))
    assert [one.sha256 for one in in_bucket] == [one.sha256 for one in made]
    found = {key.removeprefix("segmentation/"): content for key, content in gcs.objects(bucket).items()}
    assert b"ffn-pipeline" in found.pop("provenance")
    assert found == files_of(local)
    volume = open_volume(run.volume_uri)
    assert volume.missing(volume.box) == []
    assert relabelled_equally(volume.read(BOX), TRUTH)


@pytest.mark.parametrize("singly", [0, buckets.SINGLY])
def test_what_is_lost_or_changed_is_put_again_and_nothing_else_is(
    run: Run, gcs: LocalGcs, bucket: str, singly: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "SINGLY", singly)
    monkeypatch.setattr(buckets, "FRESH_S", 0.0)  # as if each were of a new attempt
    tiles = segment(run, TRUTH)
    reconcile(run, tiles)
    whole, before = gcs.objects(bucket), gcs.generations(bucket)
    reconcile(run, tiles)
    assert gcs.generations(bucket) == before
    shards = sorted(key for key in whole if key.endswith(".shard"))
    gcs.delete(bucket, shards[0])
    gcs.put(bucket, shards[-1], whole[shards[-1]][:-1] + b"x")
    reconcile(run, tiles)
    assert gcs.objects(bucket) == whole
    again = {key for key, number in gcs.generations(bucket).items() if before[key] != number}
    assert again == {shards[0], shards[-1]}


def test_a_volume_that_is_written_anew_leaves_nothing_of_the_earlier(
    run: Run, gcs: LocalGcs, bucket: str
) -> None:
    reconcile(run, segment(run, TRUTH))
    coarser = into(run_of(run.folder, chunk=16), gcs.uri(bucket))
    reconcile(coarser, segment(coarser, TRUTH))
    fresh = into(run_of(run.folder.with_name("fresh"), chunk=16), gcs.uri(gcs.bucket()))
    reconcile(fresh, segment(fresh, TRUTH))
    assert set(gcs.objects(bucket)) == set(gcs.objects(fresh.volume_uri.split("/")[-2]))


def test_the_volume_of_another_run_is_left_alone(run: Run, gcs: LocalGcs, bucket: str) -> None:
    create_volume(run)
    whole = gcs.objects(bucket)
    with pytest.raises(InputError, match="name another one, or delete what is in it"):
        create_volume(into(run_of(run.folder.with_name("other")), gcs.uri(bucket)))
    assert gcs.objects(bucket) == whole


def test_one_looks_at_an_object_and_at_none(gcs: LocalGcs, bucket: str) -> None:
    folder = Bucket(gcs.uri(bucket))
    gcs.put(bucket, "segmentation/1/0.shard", bytes(100))
    found = folder.look("1/0.shard")
    assert found is not None
    assert found["size"] == 100
    assert dict(buckets._stamps(folder.url)) == {"1/0.shard": found}
    assert folder.look("1/1.shard") is None
    assert folder.get("1/0.shard", 10, 14) == bytes(4)
    assert folder.get("1/1.shard") is None


def test_a_chunk_that_is_not_there_is_missing(gcs: LocalGcs, bucket: str, run: Run) -> None:
    """Of a volume in chunks, each an object."""
    from writers_precomputed import write_precomputed

    image = np.random.default_rng(1).integers(1, 256, (8, 8, 8), dtype=np.uint8)
    write_precomputed(run.folder, image)
    folder = run.folder / "precomputed"
    for path in (path for path in folder.rglob("*") if path.is_file()):
        gcs.put(bucket, f"em/{path.relative_to(folder).as_posix()}", path.read_bytes())
    volume = open_volume(f"precomputed://{gcs.uri(bucket, 'em')}")
    np.testing.assert_array_equal(volume.read(volume.box), image)
    assert volume.missing(volume.box) == []
    gcs.delete(bucket, "em/1_1_1/0-4_0-4_0-4")
    gcs.put(bucket, "em/1_1_1/4-8_0-4_0-4", b"")
    first, second = Box.of_shape((4, 4, 4)), Box.of_shape((4, 4, 4), (0, 0, 4))
    assert volume.missing(volume.box) == [first, second]
