"""Calibration for int8: how large what the network computes with gets on a run's image."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from pathlib import Path

import numpy as np

from pipeline.artifacts import Artifact, Recipe, Target
from pipeline.config import Inference
from pipeline.geometry import Box, triple
from pipeline.inference.canvas import Canvas
from pipeline.inference.engines import Engine
from pipeline.inference.seeds import find_seeds
from pipeline.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_image

VERSION = 1
CALLS_PER_BLOCK = 8
"""In each octant of the inference box: 64 calls in all."""


def calibration_target(run: Run, model: Artifact) -> Target:
    """JSON: by the name of a convolution, the largest input that it got."""
    config = run.config
    settings = {
        "box": str(run.inference_box),
        "network": config.network.model_dump(mode="json", exclude={"checkpoint"}),
        "data": config.data.model_dump(mode="json", include={"image_mean", "image_stddev"}),
    }
    inputs = {"image": run.identities["image"], "model": model.sha256}
    return Target(run.calibration_file, Recipe("calibrate", VERSION, settings, inputs))


def calibrate(run: Run, model: Artifact) -> Artifact:
    """Flood a little in the middle of each octant of the inference box, unless that was done, and take note.

    Whichever worker needs it first does it; two at a time come to the same. Raises InputError.
    """
    # Imported here: only runs in int8 need OpenVINO.
    from pipeline.inference.engines.openvino import Probe

    def write(path: Path) -> None:
        config = run.config
        probe = Probe(model, config.network, config.site.threads_per_worker)
        for block in _blocks(run):
            _flood(run, block, probe)
        path.write_text(json.dumps(probe.maxima, indent=1) + "\n")

    return make(calibration_target(run, model), write)


def _blocks(run: Run) -> list[Box]:
    """One block in the middle of each octant, as large as a FOV that has moved once to each side.

    Along an axis that is too short for two there is one in the middle.
    """
    box, network = run.inference_box, run.config.network
    shape = triple([min(f + 2 * d, n) for f, d, n in zip(network.fov, network.deltas, box.shape)])
    starts = [
        {a + n // 4 - s // 2, a + 3 * n // 4 - s // 2} if n >= 2 * s else {a + (n - s) // 2}
        for a, n, s in zip(box.start, box.shape, shape)
    ]
    return [Box.of_shape(shape, triple(start)) for start in sorted(itertools.product(*starts))]


def _flood(run: Run, block: Box, probe: Engine) -> None:
    config = run.config
    image = open_image(run).read(block)
    normalised = (image.astype(np.float32) - config.data.image_mean) / config.data.image_stddev
    canvas = Canvas(normalised, config.network.fov, config.network.deltas, Inference())
    centre = triple([n // 2 for n in block.shape])
    fovs = np.empty((1, *config.network.fov, 2), np.float32)
    requests = canvas.segment([centre, *find_seeds(image)], fovs[0])
    with suppress(StopIteration):
        next(requests)
        for _ in range(CALLS_PER_BLOCK):
            requests.send(probe.predict(fovs)[0, ..., 0])
