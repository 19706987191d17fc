"""What a run's image and labels are: the names that records know them by."""

from __future__ import annotations

from dataclasses import replace

from pipeline.run_folder import Run
from pipeline.synthetic.make_phantom import phantom_target
from pipeline.volumes import open_image, open_labels


def with_identities(run: Run) -> Run:
    """The run with the identities of its image and, if it has any, its labels.

    Looked up once for all tasks, since for volumes of many files it takes a look at each. A phantom is known
    by what it is made of, so it has its identity before it is there. Raises InputError.
    """
    data = run.config.data
    identities = {"image": _phantom(run) if data.image == "phantom" else open_image(run).identity}
    if data.labels is not None:
        identities["labels"] = _phantom(run) if data.labels == "phantom" else open_labels(run).identity
    return replace(run, identities=identities)


def _phantom(run: Run) -> str:
    return f"phantom {phantom_target(run).recipe.fingerprint}"
