"""What a changed setting makes run again, and what it leaves alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.targets import target_of
from pipeline.config import RunConfig
from pipeline.results.artifacts import Artifact, Target, file_sha256
from pipeline.results.changes import STORED
from pipeline.results.records import make, record_path
from pipeline.run_folder import Run
from pipeline.settings.engine_pin import EnginePin
from pipeline.settings.resolve import resolve
from workflows.planning.explain import StageStatus, explain
from workflows.stages import build

RUN_FILE = """
data: {image: phantom, labels: phantom, phantom: {shape: [48, 48, 112]}, image_mean: 128, image_stddev: 33}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 4}
training: {box: "0:48,0:48,0:56"}
inference: {box: "0:48,0:48,64:112", tile: [33, 33, 33], overlap: [18, 18, 18]}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32]}
"""

WRITTEN = "write measure properties downsample count score worst report"
EVERYTHING = f"phantom sample train segment compare join merge conflicts volume {WRITTEN}"
FROM_TRAINING = f"train segment compare join merge conflicts {WRITTEN}"
FROM_TILES = f"segment compare join merge conflicts {WRITTEN}"

RUN_AGAIN = {
    "seed=2": f"sample {FROM_TRAINING}",
    "data.phantom.seed=8": f"phantom sample {FROM_TRAINING}",
    "data.image_stddev=30": FROM_TRAINING,
    "network.depth=3": FROM_TRAINING,
    "network.normalisation=layer": FROM_TRAINING,
    "network.normalisation=none": "",
    "network.fov=[19,19,19]": "sample " + FROM_TRAINING,
    "training.ranks=4": "report",
    "training.threads_per_rank=2": "report",
    "training.start_from=other.h5": FROM_TRAINING,
    "training.precision=float32": "report",
    "training.precision=mixed_bfloat16": FROM_TRAINING,
    "training.fovs=999": FROM_TRAINING,
    "training.learning_rate=0.1": FROM_TRAINING,
    "training.checkpoint_every_steps=7": "report",
    "training.checkpoint_every_s=7": "report",
    "training.optimizer=adamw": FROM_TRAINING,
    "training.pad_probability=0.5": FROM_TRAINING,
    "training.augmentation.missing=0.1": FROM_TRAINING,
    "training.augmentation.missing=0": "",
    "training.epochs=true": FROM_TRAINING,
    "training.pictures=true": "report",
    "training.validate_every_fovs=7": "report",
    "training.clip_value=null": FROM_TRAINING,
    "training.clip_value=0.7": "",
    "training.ema=0.999": FROM_TRAINING,
    "training.schedule=cosine": FROM_TRAINING,
    "training.fov_moves=neighbours": "sample " + FROM_TRAINING,
    "training.fov_moves=max_pred_moves": "",
    "training.moves_reach=1": "sample " + FROM_TRAINING,
    "training.moves_reach=2": "report",
    "training.report_every_steps=7": "report",
    "training.sampling.coordinates=7": "sample " + FROM_TRAINING,
    "training.box=0:48,0:48,0:50": "sample " + FROM_TRAINING,
    "inference.move_threshold=0.8": FROM_TILES,
    "inference.deltas=[2,2,2]": FROM_TILES,
    "inference.deltas=[4,4,4]": "",
    "inference.preset=fast": FROM_TILES,
    "inference.preset=best": "report",
    "inference.preset=balanced": "report",
    "inference.overlap=[20,20,20]": FROM_TILES,
    "inference.reflect=false": FROM_TILES,
    "inference.engine=winograd": "report",
    "inference.engine=keras": FROM_TILES,
    "inference.precision=float32": "report",
    "inference.precision=bfloat16": FROM_TILES,
    "inference.checkpoint_every_s=7": "report",
    "inference.seed_order=forward": "",
    "inference.seed_order=reverse": FROM_TILES,
    "inference.passes=[{}, {seed_order: reverse}]": f"segment consensus {FROM_TILES.partition(' ')[2]}",
    "reconciliation.min_overlap_fraction=0.7": f"compare join merge conflicts {WRITTEN}",
    "reconciliation.chunk=[8,8,8]": f"volume {WRITTEN}",
    "reconciliation.sharded=false": f"volume {WRITTEN}",
    "reconciliation.keep_apart=never": f"merge conflicts {WRITTEN}",
    "reconciliation.mips=0": "volume report",
    "reconciliation.mips=1": "volume report",
    "reconciliation.meshes=true": "volume mesh store meshes report",
    "reconciliation.skeletons=true": "volume trace store skeletons report",
    "agglomeration.enabled=true": "points resegment agglomerate score report",
    "agglomeration.min_iou=0.7": "report",
    "evaluation.box=0:40,0:48,64:112": "count score worst report",
    "site.workers=7": "report",
    "site.threads_per_worker=3": "report",
}
"""A changed setting, and the stages that depend on it: at least the report, which names all. What was `auto`
is written out as it was pinned."""

PIN = EnginePin({"engine": "winograd", "precision": "float32"}, asked_precision="auto", host="node7")


def make_run(folder: Path, *changes: str) -> Run:
    document = copy.deepcopy(yaml.safe_load(RUN_FILE))
    for change in changes:
        key, _, value = change.partition("=")
        section = document
        *path, last = key.split(".")
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value if ":" in value and value[0] != "[" else yaml.safe_load(value)
    return resolve(RunConfig.model_validate(document), folder)


def publish(target: Target, environment: Mapping[str, str] | None = None) -> Artifact:
    """A finished artifact of the target's recipe; what is in the file does not matter to the records."""

    def write(path: Path) -> None:
        listed = {}
        if isinstance(target.parts, Path):
            part = target.parts / target.path.stem
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(str(target.path))
            listed[part.name] = {"size": part.stat().st_size, "sha256": file_sha256(part)}
        path.write_text(json.dumps({**listed}) if listed else str(target.path))

    return make(target, write, environment)


def finish(run: Run) -> list[Path]:
    """Publish every artifact of a run as its workers would; returns their paths.

    Tiles are made by PIN, and the training in float32, where the settings leave that open.
    """
    paths = []
    run = replace(run, pin=PIN)

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        made_in = {"precision": "float32"} if app.__name__ == "train" else {}
        made = publish(target_of(app.__name__, args, {**kwargs, **made_in}), PIN.environment)
        paths.append(Path(made.path))
        return made

    build(run, submit)
    return paths


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's folder."""
    folder = tmp_path_factory.mktemp("run")
    finish(make_run(folder))
    return folder


def unfinished(statuses: list[StageStatus]) -> dict[str, str]:
    """Of every stage with something to do, the reasons."""
    return {o.name: "; ".join(reason for reason, _ in o.reasons) for o in statuses if o.finished < o.tasks}


def test_of_a_new_run_everything_was_never_done(tmp_path: Path) -> None:
    statuses = explain(make_run(tmp_path))
    assert [o.name for o in statuses] == EVERYTHING.split()
    assert {o.finished for o in statuses} == {0}
    assert unfinished(statuses)["phantom"] == "never done"
    assert [o.tasks for o in statuses if o.name in ("segment", "compare", "write")] == [8, 8, 8]


def test_of_a_finished_run_nothing_would_run(folder: Path) -> None:
    assert unfinished(explain(make_run(folder))) == {}
    assert unfinished(explain(make_run(folder), verify=True)) == {}


@pytest.mark.parametrize("change", RUN_AGAIN)
def test_a_changed_setting_runs_exactly_the_stages_that_depend_on_it(folder: Path, change: str) -> None:
    again = unfinished(explain(make_run(folder, change)))
    assert " ".join(again) == RUN_AGAIN[change]


CHOICE = ("training.choose_by=segmentation", "training.validation_box=0:48,0:48,56:90")


@pytest.fixture(scope="module")
def choosing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that has chosen among five networks."""
    folder = tmp_path_factory.mktemp("choosing")
    finish(make_run(folder, *CHOICE))
    return folder


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("", {}),
        ("training.validation_box=0:48,0:48,56:80", {"try": 10, "choose": 2}),
        ("training.fovs=120000", {"train": 1, "try": 2, "choose": 2}),
        ("training.validate_every_fovs=40000", {"choose": 2}),
        ("training.learning_rate=0.1", {"train": 5, "try": 10, "choose": 2}),
        ("inference.move_threshold=0.8", {"try": 10, "choose": 2}),
        ("inference.tile=[40,40,40]", {}),
        ("evaluation.box=0:40,0:48,64:112", {}),
    ],
)
def test_of_networks_that_were_tried_those_are_tried_again_that_have_to_be(
    choosing: Path, change: str, again: dict[str, int]
) -> None:
    run = make_run(choosing, *CHOICE, *([change] if change else []))
    found = {o.name: o.tasks - o.finished for o in explain(run) if o.finished < o.tasks}
    assert {name: found[name] for name in ("train", "try", "choose") if name in found} == again


@pytest.mark.parametrize(
    ("change", "stage", "reason"),
    [
        ("inference.move_threshold=0.8", "segment", "settings changed: inference.move_threshold 0.9 -> 0.8"),
        (
            "inference.engine=keras",
            "segment",
            "settings changed: inference.engine winograd -> keras, inference.precision float32 -> auto",
        ),
        ("training.fovs=999", "train", "settings changed: training.fovs 100000 -> 999"),
        ("training.fovs=999", "segment", "an earlier stage has to run first"),
        ("data.phantom.seed=8", "phantom", "settings changed: data.phantom.seed 7 -> 8"),
        ("data.phantom.seed=8", "sample", "input changed: labels"),
        ("reconciliation.meshes=true", "volume", "settings changed: reconciliation.meshes"),
        ("reconciliation.chunk=[32,32,32]", "write", "settings changed: reconciliation.chunk, STORED"),
        ("reconciliation.mips=1", "volume", "settings changed: STORED"),
        ("evaluation.ignore_border_nm=50", "count", "settings changed: evaluation.ignore_border_nm"),
        ("evaluation.exclude=0:9,0:9,60:70", "count", "settings changed: evaluation.exclude"),
    ],
)
def test_the_reason_names_the_key_and_both_values(folder: Path, change: str, stage: str, reason: str) -> None:
    assert unfinished(explain(make_run(folder, change)))[stage] == reason.replace("STORED", STORED)


def test_corrections_run_only_what_is_made_of_the_id_table_and_so_does_an_edited_file(tmp_path: Path) -> None:
    file = tmp_path / "corrections.csv"
    file.write_text("kind,z1,y1,x1,z2,y2,x2\njoin,0,0,64,40,40,100\n")
    finish(make_run(tmp_path))
    change = f"reconciliation.corrections={file}"
    again = unfinished(explain(make_run(tmp_path, change)))
    assert " ".join(again) == f"correct conflicts {WRITTEN}"
    finish(make_run(tmp_path, change))
    assert unfinished(explain(make_run(tmp_path, change))) == {}
    file.write_text("kind,z1,y1,x1,z2,y2,x2\ncut,0,0,64,40,40,100\n")
    edited = unfinished(explain(make_run(tmp_path, change)))
    assert edited["correct"] == "input changed: corrections; an earlier stage has to run first"
    assert " ".join(edited) == f"correct conflicts {WRITTEN}"


def test_every_damaged_artifact_or_record_is_named_in_its_stage_and_nothing_else_is(tmp_path: Path) -> None:
    paths, run = finish(make_run(tmp_path)), make_run(tmp_path)
    for path in paths:
        for damaged in (path, record_path(path)):
            before = damaged.read_bytes()
            damaged.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
            statuses = unfinished(explain(run))
            first = next(iter(statuses.values()))
            assert first.startswith(("file damaged", "record damaged")), (damaged, statuses)
            damaged.write_bytes(before)
    assert unfinished(explain(run)) == {}


def recipes(folder: Path, app: str, args: list[Any], *changes: str) -> set[str]:
    """How an app's result is known where the run has one change or the other, and all else is the same."""
    runs = [make_run(folder, change) for change in changes]
    return {target_of(app, (run, *args), {}).recipe.fingerprint for run in runs}


def test_what_a_file_says_is_in_its_recipe_though_what_it_is_made_of_is_the_same(tmp_path: Path) -> None:
    made = Artifact("made", "of one kind")
    sizes = [f"data.voxel_size_nm={size}" for size in ([8, 8, 8], [40, 8, 8])]
    assert len(recipes(tmp_path, "list_conflicts", [made], *sizes)) == 2
    for name in ("one.csv", "other.csv"):
        (tmp_path / name).write_text("kind,z1,y1,x1,z2,y2,x2\njoin,0,0,64,40,40,100\n")
    files = [f"reconciliation.corrections={tmp_path / name}" for name in ("one.csv", "other.csv")]
    assert len(recipes(tmp_path, "list_corrections", [made], *files)) == 2
    assert len(recipes(tmp_path, "correct", [made, [made], {0: made, 7: made}], *files)) == 1


def test_a_radius_that_is_written_out_is_the_same(tmp_path: Path) -> None:
    made = Artifact("made", "of one kind")
    block = make_run(tmp_path).inference_box
    args = [block, made, made, [made], []]
    same = ["agglomeration.attempts=2", "agglomeration.radius=[20,20,20]"]
    assert len(recipes(tmp_path, "resegment", args, *same)) == 1
    assert len(recipes(tmp_path, "resegment", args, *same, "agglomeration.radius=[21,20,20]")) == 2
