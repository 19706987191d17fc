"""Runs as `ffn evaluate` takes them: their segmentation where one is expected, their labels as the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.evaluation.stage import known_before
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.resolve import with_sections
from workflows.exporting.volumes import agglomerated_ids, earlier_told, joined_run


@dataclass(frozen=True)
class Segmentation:
    """A segmentation as a user names it: a volume, or the folder of a run."""

    uri: str
    title: str
    run: Run | None = None
    agglomeration: Path | None = None
    """By which its segments are one; None: as they are stored."""

    def known(self, box: Box, of_own_labels: bool) -> dict[str, float]:
        """Which shares of the voxels that are scored in a box the run's training saw, and chose its network
        by; nothing where it is no run's. Raises InputError."""
        if self.run is None:
            return {}
        config = self.run.config
        update = {"box": box} if of_own_labels else {"box": box, "exclude": None}
        evaluation = config.evaluation.model_copy(update=update)
        return known_before(replace(self.run, config=config.model_copy(update={"evaluation": evaluation})))

    def doubts(self) -> list[str]:
        """That what the run has is of an earlier state of it. Raises InputError."""
        if self.run is None:
            return []
        return list(earlier_told(self.run.folder, {"write", *["agglomerate"] * bool(self.agglomeration)}))


def segmentation_of(source: str, agglomerated: bool) -> Segmentation:
    """What a name of a segmentation means; `agglomerated` says which ids of runs. Raises InputError."""
    run = joined_run(source)
    if run is None:
        return Segmentation(source, source)
    if agglomerated:
        agglomerated_ids(run)  # which may be refused
    title = f"{source}: {'agglomerated' if agglomerated else 'base'} ids"
    file = run.agglomeration_file if agglomerated else None
    return Segmentation(run.volume_uri, title, with_sections(run), file)


def own_labels(
    source: Segmentation,
    box: Box | None,
    ignored: Sequence[int],
    border_nm: float | None,
    of_volumes: Mapping[str, object],
) -> tuple[Run, Box | None]:
    """The run whose labels are the truth, with what else is to be ignored of them and how near to borders;
    and the box to score, by default that of its own scores.

    Raises InputError where it is no run or has no labels, where nothing of the box counts, and where an
    option is set `of_volumes` that are named.
    """
    if source.run is None:
        raise InputError(
            f"two volumes or more are needed, SEGMENTATION... TRUTH; got {source.uri} alone, and it is no "
            "run's folder"
        )
    data, evaluation = source.run.config.data, source.run.config.evaluation
    if data.labels is None:
        raise InputError(
            f"run {source.run.folder} has no labels, data.labels: name a TRUTH to score it against"
        )
    for option, value in of_volumes.items():
        if value is not None:
            raise InputError(
                f"{option} is for volumes, but {source.run.folder} is scored against its own labels, which "
                "lie where its run file says: leave it out, or name a TRUTH"
            )
    box = box or evaluation.box
    if box is not None and evaluation.exclude is not None and evaluation.exclude.contains(box):
        raise InputError(
            f"box {box} lies in evaluation.exclude of the run, {evaluation.exclude}, where nothing counts: "
            "name the labels as TRUTH to score it all the same"
        )
    of_border: dict[str, Any] = {} if border_nm is None else {"ignore_border_nm": border_nm}
    update = {
        "data": data.model_copy(update={"ignore_labels": (*data.ignore_labels, *ignored)}),
        "evaluation": evaluation.model_copy(update=of_border),
    }
    return replace(source.run, config=source.run.config.model_copy(update=update)), box
