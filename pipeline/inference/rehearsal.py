"""Rehearsal: whether a network that was just trained settles when it is shown its own POM again and again.

One whose logits grow without end is refused by inference at its first tile, hours later and maybe in another
job. So a few objects of the training box are flooded at the end of training, with the deltas and the
thresholds of inference, in float32 on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.inference.canvas import Canvas, NotFinite
from pipeline.inference.engines import Engine, Loading, cpu_engine, load
from pipeline.results.artifacts import Artifact, file_sha256, publishing
from pipeline.results.records import Missing, read, sealed, unsealed
from pipeline.results.unreadable import read_if_there
from pipeline.run_folder import Run
from pipeline.volumes import open_image
from pipeline.wording import counted

MOST_CALLS = 400
"""Of the network in all: with the published sizes one or two minutes of one core."""

MOST_OF_A_SEED = 200
"""Calls: by then the voxels around it were seen about as often as they ever are."""

MOST_SEEDS = 32
"""Networks that dare to move nowhere would else be asked for ever."""

REACH = 8
"""Deltas from a seed to the end of what is flooded around it, if the training box goes so far."""

GROWN = 100.0
"""Training asks for logits of 3, as soft_label is; those of networks that settle stay within some tens."""

FLOODED_BY = ("move_threshold", "pad_probability", "seed_probability")

ENDLESS = 1e20
"""The square of it is beyond float32: whether floods of thousands of FOVs stay finite is chance. Below, a
network of a few steps, with which someone tries a site or a chain of stages, is warned of and may pass."""


@dataclass(frozen=True)
class Rehearsal:
    """What came of it."""

    network: str
    """SHA-256 of its file."""
    seeds: int
    calls: int
    most_often: int
    """So many FOVs have seen the voxel that most have seen."""
    largest_logit: float
    """Of the POM, by absolute value, as long as it was finite."""
    is_finite: bool
    """Whether the POM was, to the end."""
    diverged_at: Triple | None
    """The seed, z, y, x in the volume, from which it became NaN, infinite or larger than ENDLESS."""
    flooded_by: str = ""
    """The settings of inference that decide how it floods; nothing in a file of an older program."""

    @property
    def has_grown(self) -> bool:
        """Whether the network is to be doubted."""
        return self.diverged_at is not None or self.largest_logit > GROWN

    def __str__(self) -> str:
        end = "" if self.is_finite else ", and then NaN or infinity"
        return (
            f"{self.calls:,} FOVs from {counted(self.seeds, 'seed')} in the training box, no voxel in more "
            f"than {self.most_often}: the largest logit was {self.largest_logit:.4g}{end}"
        )


WHAT_HELPS = (
    "more FOVs of training, fov_moves max_pred_moves with a moves_reach of 2 or more, which shows the "
    "network its own POM more often, decay_fovs, or a lower learning_rate"
)


def rehearse(run: Run, network: Path, coordinates: Path, until: int | None = None) -> None:
    """Flood from some training coordinates with the network in a file, and write what comes of it to
    `run.rehearsal_file(until)`, sealed JSON.

    Raises InputError where the POM becomes ENDLESS, NaN or infinite; not so for one of several networks, that
    after `until` FOVs, among which segmentation is to choose.
    """
    found = _flood(run, network, coordinates)
    with publishing(run.rehearsal_file(until)) as temporary:
        temporary.write_bytes(sealed(asdict(found)))
    if found.diverged_at is not None and until is None:
        raise InputError(
            "the trained network diverges: shown its own POM again its logits grow without end, and a tile "
            f"would end in infinity ({found}, from {found.diverged_at}). It is not published; "
            f"{run.checkpoint_file} is kept, and training goes on from there with more training.fovs. "
            f"What helps: {WHAT_HELPS}"
        )


def read_rehearsal(run: Run, until: int | None = None) -> Rehearsal | None:
    """What came of it for the run's network, or for the one after `until` FOVs; None where that network was
    not rehearsed, or with other settings of inference, or is gone. Raises Unreadable."""
    text = read_if_there(run.rehearsal_file(until))
    found = None if text is None else unsealed(text)
    record = read(run.candidate_file(until) if until else run.model_file)
    if found is None or isinstance(record, Missing) or found["network"] != record["sha256"]:
        return None
    values = {field.name: found[field.name] for field in fields(Rehearsal) if field.name in found}
    if values.get("flooded_by") not in (None, _flooded_by(run)):
        return None
    at = values["diverged_at"]
    return Rehearsal(**{**values, "diverged_at": at and triple(at)})


class _Watched(Canvas):
    """A canvas that counts how many FOVs see each voxel, and notes the largest logit that they leave."""

    def __init__(self, run: Run, image: np.ndarray) -> None:
        config = run.config
        super().__init__(image, config.network.fov, config.inference_deltas, config.inference)
        self.seen = np.zeros(image.shape, np.uint32)
        self.largest = 0.0
        self.done = 0

    def flood(self, seed: Triple, engine: Engine, most_calls: int) -> bool:
        """Flood from a seed, as an object of a tile is, and tell whether the POM stayed finite."""
        fovs = np.empty((1, *self._before.shape, 2), np.float32)
        requests = self._flood(seed, fovs[0])
        try:
            next(requests)
            while self.done < most_calls:
                self.done += 1
                requests.send(engine.predict(fovs)[0, ..., 0])
        except StopIteration:
            return True
        except NotFinite:
            return False
        return True

    def _update_at(self, where: Box, fov: np.ndarray) -> Generator[None, np.ndarray, np.ndarray]:
        logits = yield from super()._update_at(where, fov)
        self.seen[where.slices()] += 1
        self.largest = max(self.largest, float(np.abs(logits).max()))
        return logits


def _flood(run: Run, network: Path, coordinates: Path) -> Rehearsal:
    """Flood from one seed after the other, until there were enough calls."""
    engine, volume = _engine(run, network), open_image(run)
    (mean, stddev), box = run.normalisation, run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    sizes = zip(run.config.network.fov, run.config.inference_deltas)
    radius = triple([fov // 2 + REACH * delta for fov, delta in sizes])
    seeds = calls = most_often = 0
    largest, is_finite, diverged_at = 0.0, True, None
    for seed in _seeds(coordinates):
        block = Box.of_shape((1, 1, 1), seed).grow(radius) & box & volume.box
        image = (volume.read(block).astype(np.float32) - np.float32(mean)) / np.float32(stddev)
        canvas, begin = _Watched(run, image), triple([a - b for a, b in zip(seed, block.start)])
        is_finite = canvas.flood(begin, engine, min(MOST_OF_A_SEED, MOST_CALLS - calls))
        if not is_finite or canvas.largest > ENDLESS:
            diverged_at = seed
        seeds, calls = seeds + 1, calls + canvas.done
        most_often, largest = max(most_often, int(canvas.seen.max())), max(largest, canvas.largest)
        if diverged_at is not None or calls >= MOST_CALLS:
            break
    rounded = float(f"{largest:.4g}")
    sha256 = file_sha256(network)
    by = _flooded_by(run)
    return Rehearsal(sha256, seeds, calls, most_often, rounded, is_finite, diverged_at, by)


def _flooded_by(run: Run) -> str:
    """What `Canvas` goes by as it floods, but for the network."""
    probabilities = run.config.inference.model_dump(include=set(FLOODED_BY))
    return str({"deltas": run.config.inference_deltas, **{name: probabilities[name] for name in FLOODED_BY}})


def _seeds(coordinates: Path) -> list[Triple]:
    """Some of the training coordinates of the run's own volume."""
    drawn = np.load(coordinates)
    own = drawn if drawn.shape[1] == 3 else drawn[drawn[:, 0] == 0, 1:]
    return [triple(each) for each in own[:MOST_SEEDS].tolist()]


def _engine(run: Run, network: Path) -> Engine:
    """What runs it on the CPU; a GPU might be that of the ranks, and inference may have another."""
    training = run.config.training
    threads = min(len(os.sched_getaffinity(0)), training.ranks * training.threads_per_rank)
    name = cpu_engine(run.config.network)
    with TemporaryDirectory() as folder:
        named = Path(folder, run.model_file.name)  # weights are read by what their file's name ends in
        named.symlink_to(network.absolute())
        model = Artifact(str(named), file_sha256(network))
        return load(Loading(model, run.config.network, name, "float32", 1, threads))
