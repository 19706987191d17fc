"""An agglomeration is used with the segmentation that it was made of, and with no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import agglomeration, reconciliation
from pipeline.agglomerated import refuse_of_another
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.records import Missing, make, read
from pipeline.run_folder import Run


def write(path: Path, content: str, inputs: Mapping[str, str] | None = None) -> Artifact:
    def put(temporary: Path) -> None:
        temporary.write_text(content)

    return make(Target(path, Recipe("test", 1, {"content": content}, inputs or {})), put)


def write_block(run: Run, block: Box, content: str) -> Artifact:
    return write(reconciliation.block_list_file(run, block), content)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Eight blocks of a volume, of which some are read by each of two blocks of decision points."""
    config = {
        "inference": {"box": "0:32,0:32,0:64"},
        "reconciliation": {"chunk": [16, 16, 16], "block": [16, 32, 16]},
        "agglomeration": {"enabled": True, "block": [32, 32, 32], "radius": [8, 8, 8]},
        "network": {"fov": [9, 9, 9], "deltas": [2, 2, 2]},
    }
    run = Run(tmp_path, RunConfig.model_validate(config))
    written = {block: write_block(run, block, str(block)) for block in reconciliation.blocks(run)}
    scores = []
    for block in agglomeration.blocks(run):
        reach = agglomeration.resegment_reach(run, block)
        of = combined(written[each] for each in reconciliation.blocks(run, meeting=reach))
        scores.append(write(agglomeration.scores_file(run, block), str(block), {"segmentation": of}))
    write(run.agglomeration_file, "table", {"scores": combined(scores)})
    return run


def test_that_of_the_segmentation_passes(run: Run) -> None:
    assert len(reconciliation.blocks(run)) == 8
    assert len(agglomeration.blocks(run)) == 2
    refuse_of_another(run)


@pytest.mark.parametrize("number", [0, 3, 7])
def test_that_of_a_segmentation_of_which_a_block_was_written_anew_is_refused(run: Run, number: int) -> None:
    write_block(run, reconciliation.blocks(run)[number], "other ids")
    with pytest.raises(InputError, match=r"agglomeration\.h5 was not made of the segmentation"):
        refuse_of_another(run)


def test_one_that_was_not_yet_made_of_the_newest_scores_is_refused(run: Run) -> None:
    first = reconciliation.blocks(run)[0]
    write_block(run, first, "other ids")
    for block in agglomeration.blocks(run):
        reach = agglomeration.resegment_reach(run, block)
        listed = [reconciliation.block_list_file(run, b) for b in reconciliation.blocks(run, meeting=reach)]
        of = combined(write(path, path.read_text()) for path in listed)
        write(agglomeration.scores_file(run, block), f"new, {block}", {"segmentation": of})
    with pytest.raises(InputError, match="was not made of the segmentation"):
        refuse_of_another(run)


def test_one_that_was_made_before_a_cut_that_writes_no_block_anew_is_refused(run: Run) -> None:
    """A cut of two segments that the volume has apart already is for the agglomeration alone."""
    before = read(run.agglomeration_file)
    assert not isinstance(before, Missing)
    corrections = run.config.reconciliation.model_copy(update={"corrections": "corrections.csv"})
    corrected = replace(run, config=run.config.model_copy(update={"reconciliation": corrections}))
    with pytest.raises(InputError, match="was not made of the segmentation and corrections"):
        refuse_of_another(corrected)
    table = write(corrected.corrected_table_file, "cuts")
    with pytest.raises(InputError, match="was not made of the segmentation and corrections"):
        refuse_of_another(corrected)
    write(run.agglomeration_file, "new table", {**before["inputs"], "corrected": combined([table])})
    refuse_of_another(corrected)
    with pytest.raises(InputError, match="was not made of the segmentation and corrections"):
        refuse_of_another(run)


def test_where_no_record_tells_nothing_is_refused(run: Run) -> None:
    Path(f"{run.agglomeration_file}.done.json").unlink()
    write_block(run, reconciliation.blocks(run)[0], "other ids")
    refuse_of_another(run)
