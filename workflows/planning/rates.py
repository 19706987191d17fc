"""How fast a run was: measured on its finished tiles and its training, kept in `rates.json`.

By it the cost of the rest of the run is told, and that of other runs of the same network on the same site.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from pipeline.errors import InputError
from pipeline.geometry import Tile
from pipeline.inference.pinning import with_pin
from pipeline.inference.tile_target import tile_target
from pipeline.results.artifacts import Artifact, publishing
from pipeline.results.log_lines import is_logged_for, last_line, lines_of
from pipeline.results.records import Missing, read
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.estimate import centres
from pipeline.settings.fields import PositiveTriple, Section
from pipeline.settings.last_start import settings_of_last_start
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.pace import fovs_and_seconds, step_seconds
from workflows.watching.long_tasks import read_precision, report_in


class TileRate(Section):
    """How fast one worker segments, by finished tiles: with all that a tile takes beside the network."""

    tiles: PositiveInt
    seconds: PositiveFloat
    """That workers were busy, added up over them."""
    calls_per_s: PositiveFloat
    """Network calls of one worker."""
    calls_per_step_volume: PositiveFloat
    """Network calls per prod(deltas) voxels that can be a FOV's centre."""
    calls_per_1000_voxels: PositiveFloat
    bytes_per_voxel: PositiveFloat
    """Of the tiles' files."""
    engine: str
    precision: str
    processor: str
    threads_per_worker: PositiveInt
    batch: PositiveInt = 1
    deltas: PositiveTriple


class TrainingRate(Section):
    """How fast the ranks of a training were together."""

    ranks: PositiveInt
    threads_per_rank: PositiveInt
    batch_size: PositiveInt
    fovs_per_s: PositiveFloat
    local_steps: PositiveInt = 1
    step_s: PositiveFloat | None = None
    """Mean of a step's seconds; None where the log of the training is of an older version."""
    step_s_std: NonNegativeFloat | None = None
    engine: str | None = None
    """As `training.engine` names it; None as above."""
    precision: str | None = None


class Rates(Section):
    """What a run was measured to do on its site; a part is None while there is nothing to measure it on."""

    measured_in: str
    site: str
    fov: PositiveTriple
    depth: PositiveInt
    features: PositiveInt
    normalisation: str = "none"
    segment: TileRate | None = None
    train: TrainingRate | None = None


def measure(run: Run) -> Rates:
    """The rates of a resolved run so far, on the site of its last start. Reads records and logs.

    What a training measured by a network of other sizes does not count. Raises Unreadable.
    """
    run = with_pin(run)  # its tiles may have been finished since it was resolved
    network, as_started = run.config.network, settings_of_last_start(run) or run.config
    of_other_sizes = as_started.network.sizes != network.sizes
    return Rates(
        measured_in=str(run.folder),
        site=as_started.site.name,
        fov=network.fov,
        depth=network.depth,
        features=network.features,
        normalisation=network.normalisation,
        segment=_measure_tiles(run) if is_there(run.tiles_folder) else None,
        train=None if of_other_sizes else measure_training(replace(run, config=as_started)),
    )


def write_rates(run: Run, rates: Rates) -> None:
    """Keep the rates in the run folder. Raises InputError when the file system refuses."""
    with publishing(run.rates_file) as temporary:
        temporary.write_text(rates.model_dump_json(indent=1) + "\n")


def read_rates(path: Path, run: Run) -> Rates:
    """The rates that another run left, for a plan of `run`: `path` is its folder or the file itself.

    Raises InputError where there are none, and where they are of another site, network, engine, precision or
    number of threads, of tiles or of a training that the run has too: they would tell nothing about it.
    """
    file = path / "rates.json" if path.is_dir() else path
    try:
        rates = Rates.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"rates {file}: {error.strerror}; a finished run or a pilot leaves them") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"rates {file} are damaged: {where or 'the file'}: {first['msg']}; a pilot measures them again"
        ) from None
    for setting, measured, here in _compared(rates, run):
        if measured not in (here, None) and here != "auto":  # which is whatever the machine has
            raise InputError(
                f"rates {file} are for {setting} {measured}; this run has {here}: name a run like it"
            )
    return rates


def _measure_tiles(run: Run) -> TileRate | None:
    """Of the finished tiles that were made by the run's very settings; of some, a part from a checkpoint.

    Where there are several passes, those of the first.
    """
    run = run.passes[0]
    tiles, seconds, voxels, all_centres, all_calls, own_calls, size = 0, 0.0, 0, 0, 0, 0, 0
    processor, computed, threads = "unknown", None, run.config.site.threads_per_worker
    for tile in run.grid:
        record, log = _record(run, tile), run.tile_log(tile)
        last = last_line(log) if record else None
        report = report_in(last, since=0.0)
        if record is None or last is None or report is None or not is_logged_for(last, record):
            continue
        processor, computed = record.get("processor", processor), read_precision(log)
        threads = last.get("threads", threads)
        # a worker has one tile in hand, however many there were when it was made
        tiles, seconds = tiles + 1, seconds + record["seconds"]
        voxels, size = voxels + tile.box.size, size + record["size"]
        all_calls, own_calls = all_calls + report.calls, own_calls + report.calls - report.resumed_at_calls
        all_centres += centres(run, tile)
    if computed is None or own_calls == 0:
        return None
    engine, precision = computed
    return TileRate(
        tiles=tiles,
        seconds=round(seconds, 3),
        calls_per_s=own_calls / seconds,
        calls_per_step_volume=all_calls * math.prod(run.config.inference_deltas) / all_centres,
        calls_per_1000_voxels=1000 * all_calls / voxels,
        bytes_per_voxel=size / voxels,
        engine=engine,
        precision=precision,
        processor=processor,
        threads_per_worker=threads,
        batch=run.config.inference.batch,
        deltas=run.config.inference_deltas,
    )


def _record(run: Run, tile: Tile) -> dict[str, Any] | None:
    """The record of a finished tile, whatever network made it, but with the run's settings."""
    record = read(run.tile_file(tile))
    if isinstance(record, Missing) or not is_there(run.tile_file(tile)):
        return None
    settings = json.loads(json.dumps(tile_target(run, tile, Artifact("", "")).recipe.settings))
    return record if record["settings"] == settings else None


def measure_training(run: Run) -> TrainingRate | None:
    """Of the training log of a run with the settings of its last start: FOVs over the seconds that they took.

    Raises Unreadable.

    Where the ranks were others at first, or will be others from now on, those that were there last count.
    """
    training, lines = run.config.training, lines_of(run.training_log)
    ranks, threads_per_rank, after = training.ranks, training.threads_per_rank, 0
    checkpoint = Checkpoint.read(run.checkpoint_file) if run.config.trains else None
    if checkpoint is not None and checkpoint.progress.history:
        progress, last = checkpoint.progress, checkpoint.progress.history[-1]
        ranks, threads_per_rank, after = last.ranks, last.threads_per_rank, progress.fovs_seen - last.fovs
        # who has seen what came after it, nobody has kept
        lines = [line for line in lines if after < line.get("fovs_seen", 0) <= progress.fovs_seen]
    seen, seconds = fovs_and_seconds(lines, after)
    if not run.config.trains or seconds == 0:
        return None
    step_s, step_s_std = step_seconds(lines) or (None, None)
    return TrainingRate(
        ranks=ranks,
        threads_per_rank=threads_per_rank,
        batch_size=training.batch_size,
        fovs_per_s=seen / seconds,
        local_steps=training.local_steps,
        step_s=step_s,
        step_s_std=step_s_std,
        engine=lines[-1].get("engine"),
        precision=lines[-1].get("dtype_policy"),
    )


def _compared(rates: Rates, run: Run) -> list[tuple[str, Any, Any]]:
    """What has to be alike: the setting, as measured, as it is in `run`."""
    config = run.config
    compared: list[tuple[str, Any, Any]] = [
        ("site.name", rates.site, config.site.name),
        ("network.fov", rates.fov, config.network.fov),
        ("network.depth", rates.depth, config.network.depth),
        ("network.features", rates.features, config.network.features),
        ("network.normalisation", rates.normalisation, config.network.normalisation),
    ]
    if rates.segment:
        measured = rates.segment
        compared += [
            # Keras' name goes on with that of its backend
            ("inference.engine", measured.engine.split()[0], run.inference.engine),
            ("inference.precision", measured.precision, run.inference.precision),
            ("inference.batch", measured.batch, config.inference.batch),
            ("site.threads_per_worker", measured.threads_per_worker, config.site.threads_per_worker),
        ]
    if rates.train and config.trains:
        rate, training = rates.train, config.training
        compared += [
            ("training.engine", rate.engine, training.engine),
            ("training.precision", rate.precision, training.precision),
            ("training.threads_per_rank", rate.threads_per_rank, training.threads_per_rank),
        ]
    return compared
