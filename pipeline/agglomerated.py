"""Whether the agglomeration in a run folder is of the segmentation in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline import agglomeration, reconciliation
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact, combined
from pipeline.results.records import Missing, read
from pipeline.run_folder import Run


def refuse_of_another(run: Run) -> None:
    """Raise InputError where a run's agglomeration was not made of the segmentation that lies beside it, or
    before a person's cuts were what they are.

    So it is from when a start with other settings or corrections begins to write the volume anew until it has
    agglomerated that; the same numbers are ids in both. Told by the records alone: where the agglomeration
    has none, nothing is refused. Raises Unreadable.
    """
    record = read(run.agglomeration_file)
    if isinstance(record, Missing) or record["inputs"] == _inputs_now(run):
        return
    raise InputError(
        f"{run.agglomeration_file} was not made of the segmentation and corrections that lie beside it now: "
        "give the run's command with agglomeration.enabled set, and it is made anew"
    )


def _inputs_now(run: Run) -> Mapping[str, str] | None:
    """What it would be made of; None where some of that has yet to be made."""
    is_corrected, scores = run.config.reconciliation.corrections is not None, _scores_of_volume(run)
    table = _made(run.corrected_table_file) if is_corrected else None
    if scores is None or (is_corrected and table is None):
        return None
    return agglomeration.agglomerated_target(run, scores, [table] if table else []).recipe.inputs


def _scores_of_volume(run: Run) -> list[Artifact] | None:
    """The scores of all decision points; None where some are not of the volume as it is."""
    listed = {each: _made(reconciliation.block_list_file(run, each)) for each in reconciliation.blocks(run)}
    scores = []
    for block in agglomeration.blocks(run):
        path = agglomeration.scores_file(run, block)
        reach = agglomeration.resegment_reach(run, block)
        read_of = [listed[each] for each in reconciliation.blocks(run, meeting=reach)]
        whole = [each for each in read_of if each is not None]
        record = read(path)
        if isinstance(record, Missing) or record["inputs"]["segmentation"] != combined(whole):
            return None
        scores.append(Artifact(str(path), record["sha256"]))
    return scores


def _made(path: Path) -> Artifact | None:
    record = read(path)
    return None if isinstance(record, Missing) else Artifact(str(path), record["sha256"])
