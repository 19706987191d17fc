"""Whether what a resolved run reads can be read: some of it is."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip
from pipeline.ffn.weights import read_weights
from pipeline.geometry import Box, triple
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_image, open_labels

TASTED = 32
"""Voxels along each axis that are read."""


def network(run: Run) -> Finding:
    """The checkpoint that the run imports. Raises InputError."""
    settings = run.config.network
    if settings.checkpoint is None:
        return skip("the run trains its own")
    weights = read_weights(settings.checkpoint, settings)
    count = sum(values.size for values in weights.values())
    return ok(f"{settings.checkpoint}: {count:,} weights")


def image(run: Run) -> Finding:
    """Voxels in the middle of what is segmented. Raises InputError."""
    if run.config.data.image == "phantom":
        return skip("the run makes its own")
    return _tasted(open_image(run), run.inference_box)


def labels(run: Run) -> Finding:
    """Voxels in the middle of what is trained on, or else scored. Raises InputError."""
    box = run.config.training.box if run.config.trains else run.config.evaluation.box
    if run.config.data.labels == "phantom":
        return skip("the run makes its own")
    if box is None:
        return skip("the run needs none")
    return _tasted(open_labels(run), box)


def middle(box: Box) -> Box:
    """A small box in the middle of a box."""
    start = triple([(a + b - TASTED) // 2 for a, b in zip(box.start, box.stop)])
    return Box.of_shape((TASTED, TASTED, TASTED), start) & box


def _tasted(volume: Volume, box: Box) -> Finding:
    tasted = middle(box)
    volume.read(tasted)
    return ok(f"{volume.uri}: {volume.dtype} {list(volume.shape)}, {tasted} read")
