"""Whether the other volumes that a resolved run trains on can be read, and are like its own."""

from __future__ import annotations

from functools import partial

from pipeline.checkup.finding import FAIL, WARN, Finding, examine, ok, skip, warn
from pipeline.checkup.image import gaps
from pipeline.checkup.labels import labels, loss_mask
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm, open_image
from pipeline.volumes.frame import same_size, size_text


def volumes(run: Run) -> Finding:
    """What each is, where the network learns there, and by what it is normalised. Raises InputError."""
    others = run.trained_on[1:] if run.config.trains else []
    if not others:
        return skip("the run trains on its own alone")
    said, doubts = [], list[str]()
    for index, other in enumerate(others):
        looked_at = [examine(partial(check, other)) for check in (labels, loss_mask, _completeness)]
        for found in looked_at:
            if found.state == FAIL:
                return Finding(FAIL, f"training.volumes.{index}: {found.text}")
        mean, stddev = other.normalisation
        weight = run.config.training.volumes[index].weight
        said.append(
            f"training.volumes.{index}: {open_image(other).uri}, box {other.config.training.box}, "
            f"mean {mean:g}, standard deviation {stddev:g}, weight {weight:g}"
        )
        of = [found.text for found in looked_at if found.state == WARN]
        doubts += [f"training.volumes.{index}: {doubt}" for doubt in [*of, *_unlike(run, other)]]
    return warn("; ".join(said), "; ".join(doubts)) if doubts else ok("; ".join(said))


def _unlike(run: Run, other: Run) -> list[str]:
    """Voxels of another size."""
    own, theirs = image_voxel_size_nm(run), image_voxel_size_nm(other)
    if own and theirs and not same_size(own, theirs):
        return [f"voxels of {size_text(theirs)}, those of the run's own image of {size_text(own)}"]
    return []


def _completeness(other: Run) -> Finding:
    """What its image lacks where the network learns. Raises InputError where that is too much."""
    box = other.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    return gaps(other, open_image(other), "training.box", box)
