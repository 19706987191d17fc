"""A volume in a bucket: the same bytes as in a folder, mended object by object, and nobody else's touched."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cloudvolume import CloudVolume
from shaped_volume import shape, shaped_run, written
from test_reconciliation_stage import known_segmentation, reconcile, segment
from tiled_volume import make_run, relabelled_equally

from pipeline.checkup.output import output as check
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.machine.s3_host import by_alias
from pipeline.reconciliation import create_volume
from pipeline.results import bucket as buckets
from pipeline.results.bucket import Bucket
from pipeline.run_folder import Run
from pipeline.volumes import open_volume
from tests.denied import end_loop, make_loop
from tests.local_s3 import LocalS3

BOX = Box((3, 5, 7), (19, 29, 37))
TRUTH = known_segmentation(BOX.shape)


def run_of(folder: Path, chunk: int = 8) -> Run:
    box, block = (chunk, chunk, chunk), (2 * chunk, 2 * chunk, 2 * chunk)
    return make_run(folder, BOX, (16, 24, 20), (0, 0, 4), sharded=True, mips=1, chunk=box, block=block)


def into(run: Run, output: str) -> Run:
    """The same run, its volume in a bucket."""
    data = run.config.data.model_copy(update={"output": output})
    return replace(run, config=run.config.model_copy(update={"data": data}))


def objects_of(s3: LocalS3, bucket: str) -> dict[str, bytes]:
    return {key.removeprefix("segmentation/"): found for key, found in s3.objects(bucket).items()}


def files_of(run: Run) -> dict[str, bytes]:
    files = [path for path in run.segmentation_folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(run.segmentation_folder)): path.read_bytes() for path in files}


@pytest.fixture
def bucket(s3: LocalS3) -> str:
    return s3.bucket()


@pytest.fixture
def run(tmp_path: Path, s3: LocalS3, bucket: str) -> Run:
    """A run whose volume is in the bucket, but not yet written."""
    return into(run_of(tmp_path / "run"), s3.uri(bucket))


def test_the_bucket_gets_the_bytes_of_the_folder_and_nothing_lies_there(
    run: Run, s3: LocalS3, bucket: str, tmp_path: Path
) -> None:
    local = run_of(tmp_path / "local")
    made = reconcile(local, segment(local, TRUTH))
    in_bucket = reconcile(run, segment(run, TRUTH))
    assert [one.sha256 for one in in_bucket] == [one.sha256 for one in made]
    found = objects_of(s3, bucket)
    assert b"ffn-pipeline" in found.pop("provenance")
    assert found == files_of(local)
    assert not run.segmentation_folder.exists()
    cloud = CloudVolume(f"precomputed://{by_alias(str(run.volume))}", progress=False)
    assert cloud.provenance.processing[0]["method"]["task"] == "ffn-pipeline"
    volume = open_volume(run.volume_uri)
    assert volume.missing(volume.box) == []
    assert relabelled_equally(volume.read(BOX), TRUTH)


def test_surfaces_and_lines_are_put_there_too(s3: LocalS3, bucket: str, tmp_path: Path) -> None:
    box = Box.of_shape((12, 12, 20))
    labels = np.ones(box.shape, np.uint32)
    labels[:, :, 10:] = 2
    local = shaped_run(tmp_path / "local", box, (8, 8, 8), meshes=True, skeletons=True)
    other = into(shaped_run(tmp_path / "run", box, (8, 8, 8), meshes=True, skeletons=True), s3.uri(bucket))
    made = []
    for each in (local, other):
        written(each, labels)
        made.append([one.sha256 for one in shape(each)])
    assert made[0] == made[1]
    found = objects_of(s3, bucket)
    del found["provenance"]
    assert found == files_of(local)
    assert {"mesh/0.shard", "skeletons/0.shard"} <= set(found)


@pytest.mark.parametrize("singly", [0, buckets.SINGLY])
def test_what_is_lost_torn_or_changed_is_put_again_and_nothing_else_is(
    run: Run, s3: LocalS3, bucket: str, singly: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be objects looked at one by one or listed: of what is not as it was no list is believed."""
    monkeypatch.setattr(buckets, "SINGLY", singly)
    tiles = segment(run, TRUTH)
    reconcile(run, tiles)
    whole, before = s3.objects(bucket), s3.puts(bucket)
    reconcile(run, tiles)
    assert s3.puts(bucket) == before
    shards = sorted(key for key in whole if key.endswith(".shard"))
    lost, torn, changed = shards[0], shards[1], shards[-1]
    info = "segmentation/info"
    s3.client.delete_object(Bucket=bucket, Key=lost)
    s3.client.put_object(Bucket=bucket, Key=torn, Body=whole[torn][:-1])
    s3.client.put_object(Bucket=bucket, Key=changed, Body=whole[changed][:-1] + b"x")
    s3.client.put_object(Bucket=bucket, Key=info, Body=b"{}")
    monkeypatch.setattr(buckets, "FRESH_S", 0.0)  # as if the next attempt began
    reconcile(run, tiles)
    assert s3.objects(bucket) == whole
    again = s3.puts(bucket) - before
    assert again == Counter({lost: 1, torn: 2, changed: 2, info: 2, "segmentation/provenance": 1})


def test_what_was_copied_to_another_bucket_is_not_put_again(run: Run, s3: LocalS3, bucket: str) -> None:
    tiles = segment(run, TRUTH)
    reconcile(run, tiles)
    other = s3.bucket()
    for key, content in s3.objects(bucket).items():
        s3.client.put_object(Bucket=other, Key=key, Body=content)
    before = s3.puts(other)
    reconcile(into(run, s3.uri(other)), tiles)
    assert s3.puts(other) - before == Counter({"segmentation/provenance": 1})


def test_from_a_folder_to_a_bucket_and_back_all_is_written(run: Run, s3: LocalS3, bucket: str) -> None:
    local = replace(run, config=run_of(run.folder).config)
    tiles = segment(local, TRUTH)
    reconcile(local, tiles)
    reconcile(run, tiles)
    found = objects_of(s3, bucket)
    del found["provenance"]
    assert found == files_of(local)
    (local.segmentation_folder / "info").unlink()
    reconcile(local, tiles)
    assert found == files_of(local)


def test_nothing_of_an_earlier_volume_of_the_run_is_left(run: Run, s3: LocalS3, bucket: str) -> None:
    reconcile(run, segment(run, TRUTH))
    coarser = into(run_of(run.folder, chunk=16), s3.uri(bucket))
    reconcile(coarser, segment(coarser, TRUTH))
    fresh = into(run_of(run.folder.with_name("fresh"), chunk=16), s3.uri(s3.bucket()))
    reconcile(fresh, segment(fresh, TRUTH))
    assert set(objects_of(s3, bucket)) == set(objects_of(s3, fresh.volume_uri.split("/")[-2]))


def test_what_cannot_be_removed_is_told_and_the_volume_stays(run: Run, s3: LocalS3, bucket: str) -> None:
    create_volume(run)
    whole = s3.objects(bucket)
    s3.deny(bucket, "s3:DeleteObject")
    with pytest.raises(InputError, match=r"cannot delete s3://.*/info, one of 1 that stay; expected a"):
        Bucket(s3.uri(bucket)).clear()
    assert s3.objects(bucket) == whole


def test_a_run_that_was_killed_before_its_record_knows_its_own(run: Run, s3: LocalS3, bucket: str) -> None:
    create_volume(run)
    whole = s3.objects(bucket)
    for left in run.reconciliation_folder.glob("volume.json*"):
        left.unlink()
    create_volume(run)
    assert s3.objects(bucket) == whole


@pytest.mark.parametrize("key", ["info", "notes.txt", "provenance"])
def test_what_others_have_there_is_left_alone(run: Run, s3: LocalS3, bucket: str, key: str) -> None:
    s3.client.put_object(Bucket=bucket, Key=f"segmentation/{key}", Body=b"theirs")
    with pytest.raises(InputError, match=r"bucket-\d+/segmentation holds objects that this run has not put"):
        create_volume(run)
    assert s3.objects(bucket) == {f"segmentation/{key}": b"theirs"}


def test_the_volume_of_another_run_is_left_alone(run: Run, s3: LocalS3, bucket: str) -> None:
    create_volume(run)
    whole = s3.objects(bucket)
    with pytest.raises(InputError, match="name another one, or delete what is in it"):
        create_volume(into(run_of(run.folder.with_name("other")), s3.uri(bucket)))
    assert s3.objects(bucket) == whole


def test_the_volume_of_another_run_in_a_folder_below_stays_where_this_one_is_written_anew(
    run: Run, s3: LocalS3, bucket: str
) -> None:
    create_volume(run)
    create_volume(into(run_of(run.folder.with_name("below")), f"{s3.uri(bucket)}/v2"))
    below = {key: found for key, found in s3.objects(bucket).items() if "/v2/" in key}
    assert len(below) == 3
    s3.client.put_object(Bucket=bucket, Key="segmentation/8_8_8/0.shard", Body=b"ours")
    create_volume(into(run_of(run.folder, chunk=16), s3.uri(bucket)))
    after = s3.objects(bucket)
    assert {key: found for key, found in after.items() if "/v2/" in key} == below
    assert "segmentation/8_8_8/0.shard" not in after


def test_a_copy_of_the_run_leaves_its_volume_alone_and_one_that_was_moved_goes_on(
    run: Run, s3: LocalS3, bucket: str
) -> None:
    """The records of a copy say that the volume is its own."""
    output = s3.uri(bucket)
    create_volume(run)
    whole, elsewhere = s3.objects(bucket), run.folder.with_name("copy")
    shutil.copytree(run.folder, elsewhere)
    copy = into(run_of(elsewhere, chunk=4), output)
    for look in (check, create_volume):
        with pytest.raises(InputError, match=rf"the run folder {run.folder}, of which {elsewhere} is a copy"):
            look(copy)
    assert s3.objects(bucket) == whole
    shutil.rmtree(run.folder)
    create_volume(copy)
    assert s3.objects(bucket) != whole
    create_volume(into(run_of(run.folder), s3.uri(s3.bucket())))  # a new run in its place, elsewhere
    assert check(copy).state == "ok"


def test_what_another_run_has_put_in_the_place_of_its_volume_is_left_alone(
    run: Run, s3: LocalS3, bucket: str
) -> None:
    """As when what was there was deleted for it; the records of the first say that it is its own."""
    create_volume(run)
    for key in s3.objects(bucket):
        s3.client.delete_object(Bucket=bucket, Key=key)
    create_volume(into(run_of(run.folder.with_name("other"), chunk=16), s3.uri(bucket)))
    whole = s3.objects(bucket)
    for look in (check, create_volume):
        with pytest.raises(InputError, match="name another one, or delete what is in it"):
            look(into(run_of(run.folder, chunk=4), s3.uri(bucket)))
    assert s3.objects(bucket) == whole


def test_a_first_folder_that_cannot_be_read_may_be_there_still(run: Run, s3: LocalS3, bucket: str) -> None:
    create_volume(run)
    elsewhere, record = run.folder.with_name("copy"), run.reconciliation_folder / "volume.json.done.json"
    shutil.copytree(run.folder, elsewhere)
    make_loop(record)
    with pytest.raises(InputError, match=rf"{run.folder}, of which {elsewhere} may be a copy.*data.output$"):
        check(into(run_of(elsewhere), s3.uri(bucket)))
    end_loop(record)


def test_folders_beside_it_are_others(run: Run, s3: LocalS3, bucket: str) -> None:
    s3.client.put_object(Bucket=bucket, Key="segmentation-2/info", Body=b"theirs")
    create_volume(run)
    assert s3.objects(bucket)["segmentation-2/info"] == b"theirs"
