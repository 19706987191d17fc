"""What `--set` changes where a run goes on by the settings of its last start, which leave nothing open."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.results.attempts import read_owner
from pipeline.run_folder import Run
from pipeline.settings.presets import with_preset
from pipeline.settings.run_file import load_config, read_config


def is_of_a_start(config: Path) -> bool:
    """Whether a run file is what a start of the run in its folder wrote down."""
    return read_owner(config.parent) is not None


def require_preset(config: Path, changes: list[str]) -> None:
    """Raise InputError where a preset is set and what the last start has written down wins over it."""
    sets = _set_by(changes)
    if "inference.preset" not in sets:
        return
    settings = read_config(config, changes)
    left_open = settings.inference.model_copy(update={"deltas": None, "precision": "auto"})
    chosen, taken = (with_preset(each, settings.network) for each in (left_open, settings.inference))
    kept = [
        name
        for name in ("deltas", "precision")
        if f"inference.{name}" not in sets and getattr(taken, name) != getattr(chosen, name)
    ]
    if kept:
        raise InputError(
            f"--set inference.preset: {config} has the {' and the '.join(kept)} of the last start, which win "
            "over a preset's; add --set inference.deltas= --set inference.precision=auto, or name the run "
            "file by --config"
        )


def boxes_left_open(config: Path, changes: list[str]) -> list[str]:
    """Where `inference.box` is set, the changes that leave open again the boxes of evaluation that the last
    start filled in by it: those that are what it would fill in."""
    from pipeline.settings.resolve import with_sections  # these load what reads volumes
    from pipeline.settings.scored import scored
    from pipeline.volumes import labelled_box

    own, sets = ["evaluation.box", "evaluation.exclude"], _set_by(changes)
    if "inference.box" not in sets or sets & {*own, "evaluation"}:
        return []
    try:
        run = with_sections(Run(config.parent.resolve(), load_config(config)))
        labelled = labelled_box(run) if run.config.data.labels else None
    except Exception:  # whatever a library ends in: who opens the volumes tells it
        return []
    last, box = run.config, run.config.inference.box
    if box is None or labelled is None:
        return []
    training, exclude = last.training.box, last.evaluation.exclude
    # a training box of all that is labelled was open too, as a rule, and is not left out of the scores then
    ways = [(None, None)] * (training == labelled) + [(training, None), (training, exclude)]
    for trained, left_out in ways:
        evaluation = last.evaluation.model_copy(update={"box": None, "exclude": left_out})
        taken = last.training.model_copy(update={"box": trained})
        filled = scored(last.model_copy(update={"training": taken, "evaluation": evaluation}), box, labelled)
        if filled == last.evaluation:
            opened = own[: 1 + (left_out is None)] + ["training.box"] * (trained is None)
            return [f"{name}=" for name in opened if name not in sets]
    return []


def _set_by(changes: list[str]) -> set[str]:
    return {change.partition("=")[0] for change in changes}
