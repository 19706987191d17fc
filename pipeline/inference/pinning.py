"""One engine a run: the first worker that segments pins it, and all others keep to it.

`auto` is whatever the machine of that worker has. Later starts find it with the tiles.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any

from pipeline.errors import InputError
from pipeline.inference.engines import GPU_ENGINES, Choice, choose, precisions_on_gpu
from pipeline.inference.environment import environment_of
from pipeline.machine import gpus
from pipeline.results.artifacts import install_first, publishing, remove, temporary_for
from pipeline.results.records import Missing, read, record_path, sealed, unsealed
from pipeline.results.unreadable import names_in, read_if_there
from pipeline.run_folder import Run
from pipeline.settings.engine_pin import EnginePin


def with_pin(run: Run) -> Run:
    """For the driver: a resolved run with the engine of its finished tiles.

    Where the settings ask for another, and where no tile is finished, nothing is pinned: the first worker may
    choose anew. Raises Unreadable.
    """
    pin = _pin_of_finished_tiles(run)
    return replace(run, pin=pin if pin and pin.fits(run.config.inference) else None)


def keep_pin(run: Run) -> None:
    """For the driver: the run's file says what is pinned, and is not there where nothing is.

    Nothing is where no finished tile is of it, or the settings ask for another. A file that was lost or
    damaged is written again. Raises Unreadable, InputError when the file system refuses, and Superseded.
    """
    if run.pin is None:
        remove(run.engine_file)
    elif _read(run) is None:
        with publishing(run.engine_file) as temporary:
            temporary.write_bytes(sealed(asdict(run.pin)))


def pinned(run: Run) -> Run:
    """For a worker: the run with its engine pinned, by this worker if it is the first.

    Raises InputError where this machine does not have the engine in the pinned precision, or where the site
    has GPUs and this worker finds none.
    """
    _require_gpu(run)
    pin = run.pin or _read(run) or _choose(run)
    if not pin.fits(run.config.inference):
        raise InputError(
            f"{run.engine_file} says {pin}, and the settings something else; start the run again"
        )
    _require(pin, run)
    return replace(run, pin=pin)


def publish(run: Run, pin: EnginePin) -> EnginePin:
    """Pin the engine of a run; returns the pin that is in force, which may be another worker's."""
    with temporary_for(run.engine_file) as temporary:
        temporary.write_bytes(sealed(asdict(pin)))
        if install_first(temporary, run.engine_file):
            return pin
    found = _read(run)
    if found is None:
        raise InputError(f"{run.engine_file} is damaged; remove it and start the run again")
    return found


def _choose(run: Run) -> EnginePin:
    """Pin the engine that this machine has for the settings."""
    asked = run.config.inference
    choice = choose(run.config.network, asked.engine, asked.precision)
    return publish(run, EnginePin(environment_of(*choice), asked.precision, socket.gethostname()))


def _require_gpu(run: Run) -> None:
    """Raise InputError where a GPU is promised, and no engine that is not for CPUs alone finds one."""
    site, asked = run.config.site, run.config.inference.engine
    engines = GPU_ENGINES if asked == "auto" else [engine for engine in GPU_ENGINES if engine == asked]
    if not site.gpus_per_node or not engines or any(map(precisions_on_gpu, engines)):
        return
    raise InputError(
        f"a worker on {socket.gethostname()} finds no GPU: site {site.name} has {site.gpus_per_node} a node "
        f"(site.gpus_per_node), drivers show {gpus.usable() or 'none'}, and {' and '.join(engines)} can use "
        "none; install PyTorch, or Keras with JAX, that fits the driver (docs/gpu.md), or set "
        "site.gpus_per_node=0 for CPUs"
    )


def _require(pin: EnginePin, run: Run) -> None:
    network, wanted = run.config.network, Choice(pin.engine, pin.precision)
    try:
        if choose(network, *wanted) == wanted:
            return
    except InputError:
        pass  # what is missing is told by what is there
    own = choose(network, "auto", "auto")
    raise InputError(
        f"the tiles of this run are made by {pin}, as pinned by host {pin.host}; host {socket.gethostname()} "
        f"does not have that, but {own.engine} in {own.precision}: use hosts like {pin.host} only, or set "
        f"inference.engine: {own.engine} and inference.precision: {own.precision} for all, with --discard"
    )


def _read(run: Run) -> EnginePin | None:
    """What is pinned; None where nothing is, or where the file is damaged. Raises Unreadable."""
    text = read_if_there(run.engine_file)
    document = None if text is None else unsealed(text)
    if document is None:
        return None
    return EnginePin(document["environment"], document["asked_precision"], document["host"])


def _pin_of_finished_tiles(run: Run) -> EnginePin | None:
    """What is pinned if a tile is finished; where its file is lost, what a tile's record says.

    Raises Unreadable.
    """
    names = cache(lambda folder: frozenset(names_in(folder)))
    begun = names(run.tiles_folder) | names(run.validation_folder)
    files = (one.tile_file(tile) for one in [*run.trials, *run.passes] for tile in one.grid)
    for path in files if begun else ():
        record = read(path) if record_path(path).name in names(path.parent) else Missing("")
        if not isinstance(record, Missing) and record.get("environment"):
            return _read(run) or _as_recorded(record)
    return None


def _as_recorded(record: Mapping[str, Any]) -> EnginePin:
    environment = record["environment"]
    return EnginePin(environment, environment["precision"], record["host"])
