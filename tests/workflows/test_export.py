"""`export RUN_OR_VOLUME BOX OUT`, as a user runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from pipeline.evaluation.filling import fill
from pipeline.export.along_image import watershed_of
from pipeline.geometry import Box
from pipeline.results.attempts import INTERRUPTED
from pipeline.results.records import sealed
from pipeline.volumes import open_volume
from pipeline.volumes.absence import absence
from tests.commands import said
from tests.denied import denied
from tests.pipeline.viewing.placed import (
    IMAGE_BOX,
    SEGMENTED_BOX,
    SIZE_NM,
    Case,
    ids_in,
    image_in,
)
from tests.pipeline.volumes.writers_precomputed import write_precomputed
from workflows.export import main

PART = Box((28, 114, 322), (40, 160, 430))


def test_a_box_of_a_run_is_written_with_base_or_agglomerated_ids(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ids = run.parent / "out", ids_in(PART)
    code, shown = said(main, [str(run), str(PART), f"{out}.h5:seg"], monkeypatch, capsys)
    assert (code, shown) == (0, f"{out}.h5:seg: HDF5, {PART} (z, y, x), 40 x 8 x 4 nm, uint64\n")
    with h5py.File(f"{out}.h5") as file:
        np.testing.assert_array_equal(file["seg"][()], ids)
    code, shown = said(main, [str(run), str(PART), f"{out}.tif", "--agglomerated"], monkeypatch, capsys)
    assert code == 0
    assert shown.endswith("40 x 8 x 4 nm, uint32 (stored as uint64; all values fit)\n")
    np.testing.assert_array_equal(tifffile.imread(f"{out}.tif"), np.where(ids != 0, 7, 0))
    again = open_volume(f"{out}.tif")
    assert (again.box, again.voxel_size_nm) == (PART, SIZE_NM)
    code, shown = said(main, [str(run), "all", f"{out}.zarr"], monkeypatch, capsys)
    assert code == 0
    stored: Any = zarr.open_group(f"{out}.zarr", mode="r")["0"]
    np.testing.assert_array_equal(stored[:], ids_in(SEGMENTED_BOX))


def test_some_segments_are_written_alone_and_those_that_are_not_there_told(
    run: Path, case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, out = ids_in(SEGMENTED_BOX), str(run.parent / "some.h5")
    code, shown = said(main, [str(run), "all", out, "--segments", "7,9"], monkeypatch, capsys)
    assert code == 0, shown
    assert f"WARNING: nowhere in {SEGMENTED_BOX}: segments 9\n" in shown
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["volume"][()], np.where(ids == 7, ids, 0))
    out = str(run.parent / "both.h5")
    code, shown = said(main, [str(run), "all", out, "--segments", "7", "--agglomerated"], monkeypatch, capsys)
    assert (code, "WARNING" in shown) == (0, False)
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["volume"][()], np.where(ids != 0, 7, 0))
    np.save(case.folder / "few.npy", np.full((2, 3, 4), 5, np.uint8))
    few, out = str(case.folder / "few.npy"), str(case.folder / "few.npy.h5")
    code, shown = said(main, [few, "all", out, "--segments", "5,300"], monkeypatch, capsys)
    assert (code, "nowhere in 0:2,0:3,0:4: segments 300\n" in shown) == (0, True), shown
    code, shown = said(main, [few, "all", out, "--segments", str(2**64)], monkeypatch, capsys)
    assert (code, "expected ids" in shown) == (1, True), shown
    np.save(case.folder / "grey.npy", np.ones((2, 3, 4), np.float32))
    arguments = [str(case.folder / "grey.npy"), "all", str(case.folder / "grey.h5"), "--segments", "1"]
    code, shown = said(main, arguments, monkeypatch, capsys)
    assert code == 1
    assert "--segments is for ids, but" in shown


def test_any_volume_is_written_where_options_say_that_it_lies(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    array = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    np.save(case.folder / "xyz.npy", array.T)
    source, out = str(case.folder / "xyz.npy"), str(case.folder / "out.zarr")
    options = ["--volume-axes", "xyz", "--volume-origin=-1,2,3", "--voxel-size", "30,6,6"]
    code, shown = said(main, [*options, "--", source, "-1:1,2:6,3:8", out], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (0, 1)
    volume = open_volume(out)
    assert (str(volume.box), volume.voxel_size_nm) == ("-1:1,2:6,3:8", (30, 6, 6))
    np.testing.assert_array_equal(volume.read(volume.box), array[:2])


def test_the_folder_of_an_alignment_stands_for_its_volume(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = case.folder / "alignment", str(case.folder / "out.h5")
    folder.mkdir()
    (folder / "align.yaml").touch()
    shutil.copytree(case.folder / "precomputed", folder / "aligned")
    code, shown = said(main, [str(folder), str(PART), out], monkeypatch, capsys)
    assert code == 0, shown
    np.testing.assert_array_equal(open_volume(f"{out}:volume").read(PART), ids_in(PART))


def test_what_is_missing_or_not_known_is_told(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = sorted((run / "segmentation").glob("*/*_*"))
    chunks[0].unlink()
    for name, how in (("a", []), ("b", ["--agglomerated"]), ("c", ["--fill", "distance"])):
        out = str(run.parent / f"{name}.h5")
        code, shown = said(main, [str(run), "all", out, *how], monkeypatch, capsys)
        assert code == 0
        assert f"1 of {len(chunks)} chunks are missing, the first at " in shown
        assert "\nWARNING: file://" in shown
    np.save(run.parent / "v.npy", np.ones((2, 3, 4), np.int8))
    code, shown = said(
        main, [str(run.parent / "v.npy"), "all", str(run.parent / "d.h5")], monkeypatch, capsys
    )
    assert code == 0
    assert "does not say how large its voxels are" in shown
    assert "does not say where it lies: its first voxel is taken for (0, 0, 0)" in shown
    assert "unknown voxel size, int8" in shown


def test_what_is_missing_of_very_many_chunks_is_counted_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, side = np.ones((34, 32, 32), np.uint8), (2, 2, 2)
    volume = open_volume(write_precomputed(tmp_path, ids, (0, 0, 0), (8.0, 8.0, 8.0), chunk=side))
    looked_at = absence(volume, volume.box).looked_at
    assert looked_at < volume.count_chunks(volume.box)
    first, *_ = set(volume.chunks(volume.box)) - set(volume.chunks(volume.box, looked_at))
    (z, y, x), (z1, y1, x1) = first.start, first.stop
    (chunk,) = (tmp_path / "precomputed").glob(f"*/{x}-{x1}_{y}-{y1}_{z}-{z1}*")
    chunk.unlink()
    for ending in ("h5", "tif"):
        out = str(tmp_path / f"out.{ending}")
        code, shown = said(main, [volume.uri, "all", out], monkeypatch, capsys)
        assert code == 0
        assert "WARNING: 8 voxels of 0:34,0:32,0:32 are missing; they are 0\n" in shown


def test_what_cannot_be_written_ends_in_one_line(
    run: Path, case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(case.folder / "out.h5")
    Path(case.folder / "there.zarr").mkdir()
    for arguments, expected in (
        ([case.truth, "0:4,0:4", out], "BOX: box '0:4,0:4' is not of the form z0:z1,y0:y1,x0:x1, or `all`"),
        ([case.truth, "4:4,0:4,0:4", out], "BOX: box '4:4,0:4,0:4' is empty"),
        ([case.truth, "0:9,100:140,300:400", out], "reaches outside"),
        ([case.truth, "all", str(case.folder / "a.nrrd")], "a.nrrd: a file of this ending is not written"),
        ([case.truth, "all", str(case.folder / "there.zarr")], "there.zarr is there already"),
        ([case.truth, "all", str(case.folder / "em.h5")], "em.h5 is there already"),
        ([case.truth, "all", out, "--agglomerated"], "--agglomerated is for runs"),
        ([case.truth, "all", out, "--volume-mip", "1"], "--volume-mip must be 0"),
        ([case.truth, "all", out, "--dtype", "uint8"], "holds 1099511627777 in box"),
        (["absent.h5:raw", "all", out], "absent.h5: no such file"),
    ):
        code, shown = said(main, arguments, monkeypatch, capsys)
        assert (code, shown.count("\n")) == (1, 1), shown
        assert shown.startswith("error: ")
        assert expected in shown
    record = {"inputs": {"scores": "those of an earlier segmentation"}}
    (run / "agglomeration.h5.done.json").write_bytes(sealed(record))
    code, shown = said(main, [str(run), "all", out, "--agglomerated"], monkeypatch, capsys)
    assert code == 1
    assert "agglomeration.h5 was not made of the segmentation and corrections that lie" in shown
    assert not Path(out).exists()

    (run / "agglomeration.h5").unlink()
    code, shown = said(main, [str(run), "all", out, "--agglomerated"], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert "has no agglomerated ids: set agglomeration.enabled" in shown
    shutil.rmtree(run / "segmentation")
    code, shown = said(main, [str(run), "all", out], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert "has no segmentation yet" in shown
    assert not os.path.exists(out)


def test_a_folder_that_may_not_be_written_is_named(
    public_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(public_folder / "v.npy", np.ones((2, 3, 4), np.uint8))
    closed = public_folder / "closed"
    closed.mkdir()
    for name in ("a.h5", "a.zarr", "a.tif"):
        with denied(closed):
            arguments = [str(public_folder / "v.npy"), "all", str(closed / name)]
            code, shown = said(main, arguments, monkeypatch, capsys)
        assert code == 1
        assert shown.splitlines()[-1].startswith("error: cannot ")
        assert str(closed) in shown
        assert "Permission denied" in shown


ENDED = """
import os, signal, sys
from pipeline.export import Part
from tests.pipeline.volumes.writers_precomputed import write_precomputed
from tests.workflows.exported_run import write_run
from workflows.export import main
read, number = Part.read, getattr(signal, sys.argv.pop())
signal.signal(number, signal.SIG_DFL)  # it may be ignored where tests are run
def ended_while_reading(part, box):
    os.kill(os.getpid(), number)
    return read(part, box)
Part.read = ended_while_reading
main()
"""


@pytest.mark.parametrize(("signal", "out"), [("SIGTERM", "a.zarr"), ("SIGHUP", "a.h5")])
def test_the_end_of_a_job_or_a_terminal_leaves_nothing(signal: str, out: str, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones((2, 3, 4), np.uint8))
    arguments = [str(tmp_path / "v.npy"), "all", str(tmp_path / out), signal]
    ended = subprocess.run([sys.executable, "-c", ENDED, *arguments], capture_output=True, check=False)
    assert ended.returncode == INTERRUPTED, ended
    assert os.listdir(tmp_path) == ["v.npy"]


def exported(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *how: str
) -> Any:
    """What was said, and the ids of PART."""
    out = run.parent / f"{'_'.join(how).strip('-')}.zarr"
    code, shown = said(main, [str(run), str(PART), str(out), *how], monkeypatch, capsys)
    assert code == 0, shown
    return shown, open_volume(str(out)).read(PART)


def test_blanks_are_filled_along_the_image_or_by_distance_and_counted(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored, here = ids_in(SEGMENTED_BOX), PART.slices(SEGMENTED_BOX.start)
    shown, found = exported(run, monkeypatch, capsys, "--fill", "image")
    flooded = watershed_of(stored, image_in(SEGMENTED_BOX), np.ones(stored.shape, bool))[here]
    np.testing.assert_array_equal(found, flooded)
    blank = np.count_nonzero(stored[here] == 0)
    assert shown.endswith(
        f"\nfilled by image: {blank:,} of {blank:,} blank voxels, {blank / PART.size:.1%} of the box; "
        "0 stay 0\n"
    )
    shown, found = exported(run, monkeypatch, capsys, "--fill", "distance", "--agglomerated")
    assert "filled by distance" in shown
    assert (found == 7).all()
    _, found = exported(run, monkeypatch, capsys, "--fill", "distance")
    np.testing.assert_array_equal(found, fill(stored)[here])


def test_where_the_mask_is_0_blanks_stay_blank(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run / "config.yaml"
    mask = np.ones(IMAGE_BOX.shape, np.uint8)
    mask[:, :30] = 0
    np.save(run.parent / "mask.npy", mask)
    config.write_text(config.read_text().replace("mask: null", f"mask: {run.parent / 'mask.npy'}", 1))
    stored = ids_in(PART)
    masked = np.zeros(PART.shape, bool)
    masked[:, : 130 - PART.start[1]] = True
    for how in ("image", "distance"):
        shown, found = exported(run, monkeypatch, capsys, "--fill", how)
        assert (found[masked] == stored[masked]).all()
        assert found[~masked].all()
        assert f"; {np.count_nonzero(masked & (stored == 0)):,} stay 0" in shown


@pytest.mark.parametrize(
    ("how", "mended"),
    [
        (["VOLUME"], "--fill is for runs, but .* is no run's folder: leave it out"),
        (["RUN", "--volume-mip", "1"], "--fill is for the finest level, .* leave --volume-mip out"),
        (["RUN", "--volume-origin", "21,101,301"], "and where that lies: leave --volume-origin out"),
        (["RUN", "--volume-axes", "yxz"], "and where that lies: leave --volume-axes out"),
    ],
)
def test_what_has_no_image_to_fill_by_is_refused(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    how: list[str],
    mended: str,
) -> None:
    source, *more = how
    named = str(run) if source == "RUN" else str(run / "segmentation")
    if "--volume-mip" in more:  # a second level, to be opened
        info = json.loads((run / "segmentation/info").read_text())
        info["scales"].append({**info["scales"][0], "key": "coarser", "resolution": [8, 16, 80]})
        (run / "segmentation/info").write_text(json.dumps(info))
        shutil.copytree(run / "segmentation" / info["scales"][0]["key"], run / "segmentation/coarser")
    arguments = [named, "all", str(run.parent / "out.zarr"), "--fill", "image", *more]
    code, shown = said(main, arguments, monkeypatch, capsys)
    assert code == 1
    assert re.search(mended, " ".join(shown.split()))
