"""Change each setting of finished runs alone: what reads it must be made anew.

    python benchmarks/settings_test.py

Three small runs (changed_settings.py) are finished in this process, without Parsl, and of every app it is
noted which settings it reads. Then, setting by setting, the run is planned with another value. An app that
reads the setting and whose results the plan takes for finished is told as `stale`, unless KEPT says why they
stay; so is a training that a setting of it leaves as it is, or that begins anew for one by which it should
not. What is made anew by a reason of its own that the app did not read is told as `unread`: by other boxes
and tasks, or in vain. What ranks read in processes of their own is not seen. A minute on two idle cores; the
exit code is 0 where nothing is stale.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
from changed_settings import (
    FILES,
    KEPT,
    OF_FILES,
    OF_SECTIONS,
    SECTIONS,
    STARTED_ALIKE,
    THAT_TRAINS,
    TRAINING,
)

from pipeline.errors import InputError
from pipeline.ffn.weights import read_weights, weight_shapes, write_weights
from pipeline.results.artifacts import Artifact
from pipeline.results.records import Missing
from pipeline.run_folder import Run
from pipeline.settings.fields import Section
from pipeline.settings.input_identities import write_kept
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.synthetic.microscope import Microscope
from pipeline.synthetic.phantom import Phantom
from workflows.planning.explain import UPSTREAM, Outcome, foresight, outcomes_of
from workflows.stage import Stage
from workflows.stages import build

TELLS = {"write_facts", "write_page"}
"""Apps that tell of all settings."""

LEARNS = {"sample_coordinates", "train"}

Reads = dict[str, set[str]]
"""By setting, dotted, the apps that read it."""


def work(run: Run) -> Reads:
    """Make every task of a run here and now; which app has read which setting."""
    named, reads = _named(run.config), defaultdict[str, set[str]](set)

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        with _noting() as seen:
            made: Artifact = app.func(*args, **kwargs)  # type: ignore[attr-defined]
        for setting in {name for key in seen for name in named[key]}:
            reads[setting].add(app.__name__)
        return made

    build(run, submit)
    write_kept(run)
    return reads


@contextmanager
def _noting() -> Iterator[set[tuple[str, str]]]:
    """Note the sections, by class, and the names of the settings that are read."""
    seen, plain = set[tuple[str, str]](), Section.__getattribute__

    def read(section: Section, name: str) -> Any:
        if not name.startswith("_") and name in type(section).model_fields:
            seen.add((type(section).__name__, name))
        return plain(section, name)

    with patch.object(Section, "__getattribute__", read):
        yield seen


def _named(section: Section, above: str = "") -> Mapping[tuple[str, str], set[str]]:
    found = defaultdict[tuple[str, str], set[str]](set)
    for name in type(section).model_fields:
        value = getattr(section, name)
        found[type(section).__name__, name].add(above + name)
        if isinstance(value, Section):
            for key, names in _named(value, f"{above}{name}.").items():
                found[key] |= names
    return found


def planned(run: Run) -> dict[str, list[Outcome]]:
    """By app what the plan says of its tasks."""
    said = defaultdict[str, list[Outcome]](list)

    def chain(submit: Callable[..., Outcome]) -> list[Stage[Outcome]]:
        def noting(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
            said[app.__name__].append(submit(app, *args, **kwargs))
            return said[app.__name__][-1]

        return build(run, noting)

    with foresight() as place:
        outcomes_of(chain, foresee_in=place)
    return said


def try_changes(run_file: Path, changes: Mapping[str, Sequence[str]]) -> int:
    """Finish a run, and plan it with each change; says what is made anew, and returns what is stale."""
    folder, stale = run_file.with_suffix(""), 0
    reads = work(_run(run_file, folder))
    for name, overrides in changes.items():
        try:
            plan = planned(_run(run_file, folder, overrides))
        except InputError as error:
            print(f"refused  {name}: {error}")
            stale += 1
            continue
        kept = {app for app, of in plan.items() if all(isinstance(task, Artifact) for task in of)} - TELLS
        own = {app for app, of in plan.items() if any(_has_own_reason(task) for task in of)} - TELLS
        readers = {app for override in overrides for app in reads[override.partition("=")[0]]}
        wrong = {app for app in readers & kept if (app, name) not in KEPT}
        if changes is TRAINING and kept >= LEARNS:
            wrong.add("train")
        if changes is STARTED_ALIKE:
            wrong = {"train"} - kept
        stale += len(wrong)
        print(f"{name}: anew {_text(own)}; stale {_text(wrong)}; unread {_text(own - readers)}", flush=True)
    return stale


def _has_own_reason(task: Outcome) -> bool:
    return isinstance(task, Missing) and task is not UPSTREAM


def _text(apps: set[str]) -> str:
    return ", ".join(sorted(apps)) or "none"


def _run(run_file: Path, folder: Path, overrides: Sequence[str] = ()) -> Run:
    return resolve(load_config(run_file, list(overrides)), folder)


def lay_out_files(home: Path, network: Path) -> Path:
    """A run file with its volumes, others, and the network that was trained."""
    home.mkdir(parents=True)
    phantom = Phantom((48, 48, 128), 3, 22)
    for name, edited in (("em", 0), ("other", 4)):
        image, ids = phantom.image(phantom.box), phantom.labels(phantom.box)
        mask = np.ones(image.shape, np.uint8)
        mask[:, : 10 + edited, 60:80] = 0
        image[20 : 20 + edited, 20:24, 100:104] = 0
        ids[20 : 20 + edited, 20:30, 100:110] = ids.max() + 1
        with h5py.File(home / f"{name}.h5", "w") as file:
            file["em"], file["ids"], file["mask"] = np.stack([image, 255 - image]), ids, mask
    (home / "corrections.csv").write_text("kind,z1,y1,x1,z2,y2,x2\njoin,27,8,92,47,24,107\n")
    (home / "files.yaml").write_text(OF_FILES)
    shutil.copy(network, home / "network.h5")
    sizes = load_config(home / "files.yaml").network
    other = {name: weights * np.float32(1.01) for name, weights in read_weights(network, sizes).items()}
    write_weights(other, sizes, home / "other_network.h5")
    return home / "files.yaml"


def lay_out_training(home: Path) -> Path:
    """A run file and a mask."""
    home.mkdir(parents=True)
    (home / "training.yaml").write_text(THAT_TRAINS)
    with h5py.File(home / "mask.h5", "w") as file:
        file["mask"] = np.ones((48, 48, 128), np.uint8)
    network = load_config(home / "training.yaml").network
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(network).items()}
    write_weights(weights, network, home / "network.h5")
    return home / "training.yaml"


def lay_out_sections(home: Path) -> Path:
    """A run file with tiles of sections, other tables of them, and a network that is not trained."""
    home.mkdir(parents=True)
    Microscope(
        sections=12, tile=96, overlap=30, grid=2, wavelength=240, bent=1.0, moved=2, turned=0.5, margin=32
    ).take(home, seed=3)
    with open(home / "tiles.csv", newline="") as file:
        head, *rows = csv.reader(file)
    for name, times, more in (("moved", 1, 2), ("nm", 10, 0)):
        with open(home / f"{name}.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, head)
            writer.writeheader()
            for number, row in enumerate(dict(zip(head, row)) for row in rows):
                x, y = (times * float(row[axis]) for axis in ("x", "y"))
                writer.writerow({**row, "x": x + more * (number == 9), "y": y})
    (home / "excluded.csv").write_text("kind,section,a,b,y,x\nexclude,5,,,,\n")
    (home / "sections.yaml").write_text(OF_SECTIONS)
    network, rng = load_config(home / "sections.yaml").network, np.random.default_rng(1)
    shapes = weight_shapes(network)
    weights = {name: rng.normal(size=shape).astype(np.float32) / 10 for name, shape in shapes.items()}
    write_weights(weights, network, home / "network.h5")
    return home / "sections.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="settings_test_"))
    training = lay_out_training(home / "training")
    stale = try_changes(training, TRAINING)
    stale += try_changes(training, STARTED_ALIKE)
    network = training.with_suffix("") / "model" / "ffn.h5"
    stale += try_changes(lay_out_files(home / "files", network), FILES)
    stale += try_changes(lay_out_sections(home / "sections"), SECTIONS)
    shutil.rmtree(home)
    sys.exit(1 if stale else 0)


if __name__ == "__main__":
    main()
