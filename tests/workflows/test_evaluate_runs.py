"""`evaluate RUN [TRUTH]`: a run's folder where a segmentation is expected, and its labels as the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from skimage.metrics import adapted_rand_error, variation_of_information

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.settings.run_file import dump_config, read_config
from tests.commands import said
from tests.pipeline.viewing.placed import IMAGE_BOX, SEGMENTED_BOX, Case, ids_in
from workflows.evaluate import main

Evaluate = Callable[..., tuple[int, str, dict[str, Any]]]
EXCLUDED = Box((26, 110, 320), (30, 170, 440))
IGNORED = 2**40 + 1
IN_TRAINING = Box((20, 100, 300), (34, 180, 460))


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    def evaluated(*arguments: object) -> tuple[int, str, dict[str, Any]]:
        out = tmp_path / "scores.json"
        out.unlink(missing_ok=True)
        words = [*map(str, arguments), "--json", str(out), "--workers", "1"]
        code, shown = said(main, words, monkeypatch, capsys)
        return code, shown, json.loads(out.read_text()) if code == 0 else {}

    return evaluated


def reconfigured(run: Path, **sections: dict[str, Any]) -> None:
    """Change settings of the run's last start."""
    config = read_config(run / "config.yaml").model_dump(mode="json", exclude_unset=True)
    for section, values in sections.items():
        config[section] = {**config.get(section, {}), **values}
    (run / "config.yaml").write_text(dump_config(RunConfig.model_validate(config)))


def test_a_run_is_scored_with_its_base_or_agglomerated_ids(run: Path, case: Case, evaluate: Evaluate) -> None:
    names, truth = np.unique(ids_in(SEGMENTED_BOX), return_inverse=True)
    assert names.tolist() == [0, 7, IGNORED]
    truth = truth.reshape(SEGMENTED_BOX.shape)
    for options, kind, segments in (([], "base", truth), (["--agglomerated"], "agglomerated", 0 * truth)):
        code, shown, found = evaluate(run, case.truth, *options)
        assert code == 0, shown
        title = f"{run}: {kind} ids"
        assert f"\n{title}\n" in shown
        assert found["truth"] == case.truth
        [(name, scored)] = found["segmentations"].items()
        assert (name, scored["box"]) == (title, str(SEGMENTED_BOX))
        there = truth != 0
        are, *_ = adapted_rand_error(truth[there], segments[there])
        split, merge = variation_of_information(truth[there], segments[there])
        both = scored["scores"]["both_foreground"]
        assert (both["are"], both["voi_split"], both["voi_merge"]) == pytest.approx((are, split, merge))
    code, shown, found = evaluate(run, run, "--agglomerated")
    assert (code, found["truth"]) == (0, f"{run}: base ids"), shown
    code, shown, found = evaluate(run, case.segmentation, case.truth)
    assert (code, list(found["segmentations"])) == (0, [f"{run}: base ids", case.segmentation]), shown


def test_a_run_alone_is_scored_against_its_labels_as_its_run_file_says(
    run: Path, case: Case, evaluate: Evaluate
) -> None:
    reconfigured(
        run,
        data={"labels": case.truth, "ignore_labels": [IGNORED]},
        evaluation={"box": str(SEGMENTED_BOX), "exclude": str(EXCLUDED)},
    )
    code, shown, found = evaluate(run, "--agglomerated")
    assert code == 0, shown
    assert found["truth"] == f"{run}: its labels"
    [scored] = found["segmentations"].values()
    truth, size = ids_in(SEGMENTED_BOX), SEGMENTED_BOX.size
    counted = np.ones(truth.shape, bool)
    counted[EXCLUDED.slices(SEGMENTED_BOX.start)] = False
    assert scored["left_out_share"] == pytest.approx(EXCLUDED.size / size)
    assert scored["ignored_share"] == pytest.approx((counted & (truth == IGNORED)).sum() / size)
    assert scored["labelled_share"] == pytest.approx((counted & (truth == 7)).sum() / size)
    assert scored["scores"]["both_foreground"]["voi_merge"] == 0, "one object alone counts"
    code, shown, found = evaluate(run, "--box", "30:42,112:168,322:438", "--ignore", "7")
    assert code == 0, shown
    [scored] = found["segmentations"].values()
    assert (scored["box"], scored["labelled_share"]) == ("30:42,112:168,322:438", 0)
    assert "no voxel that is scored is labelled" in shown
    code, shown, found = evaluate(run, case.truth)
    [scored] = found["segmentations"].values()
    assert (code, scored["left_out_share"]) == (0, 0), "which is of the run's own scores"


def test_own_labels_that_say_no_place_lie_on_the_image_of_which_nothing_is_to_be_told(
    run: Path, case: Case, evaluate: Evaluate
) -> None:
    unplaced = case.folder / "unplaced.h5"
    with h5py.File(unplaced, "w") as file:
        file["ids"] = ids_in(IMAGE_BOX)
    reconfigured(run, data={"labels": f"{unplaced}:ids"}, evaluation={"box": str(SEGMENTED_BOX)})
    code, shown, _ = evaluate(run)
    assert (code, "does not say where it lies" in shown) == (0, False), shown


def test_what_training_saw_of_the_voxels_is_told_whatever_the_truth_is(
    run: Path, case: Case, evaluate: Evaluate
) -> None:
    reconfigured(run, network={"checkpoint": None}, training={"box": str(IN_TRAINING)})
    reconfigured(run, data={"labels": case.truth}, evaluation={"box": str(SEGMENTED_BOX)})
    for words in ([run], [run, case.truth]):
        code, shown, found = evaluate(*words)
        assert code == 0, shown
        [scored] = found["segmentations"].values()
        assert scored["seen_in_training"] == pytest.approx(8 / 16)
        assert "WARNING       50% of the scored voxels" in shown
    code, _, found = evaluate(run, "--box", "34:42,112:168,322:438")
    [scored] = found["segmentations"].values()
    assert (code, scored["seen_in_training"]) == (0, 0)


def test_what_does_not_go_together_is_refused(run: Path, case: Case, evaluate: Evaluate) -> None:
    def refused(*words: object) -> str:
        code, shown, _ = evaluate(*words)
        assert code == 1, shown
        return shown

    assert "has no labels, data.labels: name a TRUTH" in refused(run)
    assert "SEGMENTATION... TRUTH; got" in refused(case.segmentation)
    assert "--agglomerated is for runs" in refused(case.segmentation, case.truth, "--agglomerated")
    evaluation = {"box": str(SEGMENTED_BOX), "exclude": str(EXCLUDED)}
    reconfigured(run, data={"labels": case.truth}, evaluation=evaluation)
    assert "--truth-origin is for volumes, but" in refused(run, "--truth-origin", "0,0,0")
    assert "--voxel-size is for volumes" in refused(run, "--voxel-size", "40,8,4")
    assert "lies in evaluation.exclude of the run" in refused(run, "--box", "26:30,112:168,322:438")
    assert "reaches outside" in refused(run, "--box", str(IMAGE_BOX))
    (run / "agglomeration.h5").unlink()
    assert "has no agglomerated ids: set agglomeration.enabled" in refused(run, "--agglomerated")
    (run / "segmentation" / "info").unlink()
    assert "has no segmentation yet" in refused(run)


def test_skeletons_are_made_of_the_labels_that_count(run: Path, case: Case, evaluate: Evaluate) -> None:
    pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")
    exclude = str(Box((26, 110, 320), (42, 170, 360)))
    reconfigured(run, data={"labels": case.truth}, evaluation={"box": str(SEGMENTED_BOX), "exclude": exclude})
    code, shown, found = evaluate(run, "--skeletons-from-truth")
    assert code == 0, shown
    [scored] = found["segmentations"].values()
    part = scored["run_length"]
    code, shown, found = evaluate(run, case.truth, "--skeletons-from-truth")
    assert code == 0, shown
    [scored] = found["segmentations"].values()
    assert 0 < part["length_nm"] < scored["run_length"]["length_nm"]
