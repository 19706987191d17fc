"""Run files: what is accepted comes back unchanged, what is not is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.settings.run_file import dump_config, load_config, parse_config

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("inference:\n  box: 0:125,0:250,0:250\n  tile: [64, 64, 64]\n")
    return path


def test_a_dumped_configuration_reads_back_equal(run_file: Path, tmp_path: Path) -> None:
    config = load_config(run_file, ["training.box=0:60,0:250,0:250", "seed=3"])
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump_config(config))
    assert load_config(copy) == config
    assert config.training.box == Box((0, 0, 0), (60, 250, 250))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("inference.tyle=[64,64,64]", "unknown key 'inference.tyle'; did you mean 'tile'?"),
        ("infrence.tile=[64,64,64]", "unknown key 'infrence'; did you mean 'inference'?"),
        ("training.sampling.radios=[1,1,1]", "did you mean 'radius'?"),
        ("training.volumes=[{data: {imag: a}}]", "'training.volumes.0.data.imag'; did you mean 'image'?"),
        ("data.qqq=1", "valid keys: folder, image"),
        ("inference.tile=[9,64,64]", "inference.tile is 9 along z, smaller than the network.fov of 33"),
        ("inference.overlap=[0,64,0]", "inference.overlap is 64 along y; it must be less than"),
        ("network.fov=[32,33,33]", "must be odd"),
        ("network.deltas=[17,8,8]", "at most half the fov"),
        ("training.ranks=0", "training.ranks is 0"),
        ("inference.engine=abacus", "inference.engine is 'abacus'"),
        ("inference.box=0:0,0:9,0:9", "is empty"),
        ("inference.box=0:9,0:9", "not of the form z0:z1,y0:y1,x0:x1"),
        ("inference.box=[0,0,0,9,9,9]", "inference.box is [0, 0, 0, 9, 9, 9]: expected z0:z1,y0:y1,x0:x1"),
        ("inference.box={z: 9}", "inference.box: expected z0:z1,y0:y1,x0:x1"),
        ("data.voxel_size_nm=10", "data.voxel_size_nm is 10: expected three values in brackets, [z, y, x]"),
        ("data.voxel_size_nm=[40, 4]", "data.voxel_size_nm is [40, 4]: expected three values in brackets"),
        ("inference.tile=[8,8,8,8]", "inference.tile is [8, 8, 8, 8]: expected three values in brackets"),
        ("data.ignore_labels=5", "data.ignore_labels is 5: expected a list in brackets"),
        ("training.volumes={data: {image: a}}", "expected a list in brackets"),
        (
            "training.volumes=[{data: {image: a, labels: b, voxel_size_nm: 4}}]",
            "training.volumes.0.data.voxel_size_nm is 4: expected three values in brackets, [z, y, x]",
        ),
        ("reconciliation.block=[100,64,64]", "must be a multiple of chunk"),
        ("training", "is not of the form section.key=value"),
        ("seed.deep=1", "is a value, not a section"),
        ("seed=-1", "seed is -1"),
        (
            "inference.deltas=[17,8,8]",
            "inference.deltas [17, 8, 8] must be at most half the network.fov [33, 33, 33]",
        ),
        (
            "inference.min_boundary_dist=[1,1,17]",
            "inference.min_boundary_dist [1, 1, 17] must be at most half",
        ),
        (
            "agglomeration={enabled: true, radius: [15,40,40]}",
            "agglomeration.radius [15, 40, 40] must be at least half the network.fov [33, 33, 33]",
        ),
        (
            "agglomeration={enabled: true, radius: [16,16,16]}",
            "half the network.fov [33, 33, 33], and more along some axis",
        ),
        ("inference.pad_probability=0.7", "pad_probability 0.7 must be below segment_threshold 0.6"),
        ("inference.seed_probability=0.8", "seed_probability 0.8 is below move_threshold 0.9"),
        ("training.soft_label=0.5", "training.soft_label is 0.5"),
        ("training.ranks=30000", "ranks is 30000, more than sampling.coordinates, 20000"),
        ("training.warmup_fovs=100001", "warmup_fovs is 100001, more than fovs, 100000"),
        (
            "training={fov_moves: fixed, moves_reach: 2}",
            "training: moves_reach is 2; with fov_moves fixed it can only be 1",
        ),
        ("training.momentum=0.9", "momentum is 0.9; optimizer adam has none: it is of sgd"),
        ("training.optimizer=sgd", "optimizer sgd needs momentum, such as 0.9"),
        ("training.weight_decay=0.1", "optimizer adam has none: it is of adamw or lamb"),
        ("training.schedule=cyclic", "schedule is cyclic and cycle_fovs None: give both"),
        ("training.cycle_fovs=10", "schedule is constant and cycle_fovs 10: give both"),
        (
            "training.pad_probability=0.95",
            "pad_probability 0.95, move_threshold 0.9 and seed_probability 0.95",
        ),
        ("training.ema=1", "training.ema"),
        ("training=5", "training is 5: expected keys with their values below it"),
        (
            "data.replace_sections=[3, 4]",
            "replace_sections is [3, 4]: expected keys with their values below it",
        ),
        (
            "training.ema=0.9999",
            "12500 steps: in the end the random weights of the beginning would count 28.6%",
        ),
        ("training.sampling.thresholds=[0.5,0.5]", "thresholds [0.5, 0.5] must ascend"),
        ("training.sampling.thresholds=[0.5,0.2]", "thresholds [0.5, 0.2] must ascend"),
        ("data.image_mean=100", "image_mean is 100.0 and image_stddev None: give both"),
        ("data.image_stddev=0", "data.image_stddev is 0"),
        ("data.tissue_range=[9,3]", "tissue_range [9.0, 3.0] must be from a lower to a higher value"),
        ("data.replace_sections={3: 4, 4: 5}", "section 4, in the place of 3, is lost too"),
        ("data.replace_sections={3: 3}", "section 3, in the place of 3, is lost too"),
        ("data.axes=xyy", "expected the names of the stored axes"),
        ("data.axes=xy", "expected the names of the stored axes"),
        ("data.max_missing=1.5", "data.max_missing is 1.5"),
        ("data.mip=-1", "data.mip is -1"),
        ("data.image_stddev=.inf", "data.image_stddev is inf: Input should be a finite number"),
        ("training.learning_rate=.nan", "training.learning_rate is nan"),
        ("inference.checkpoint_every_s=.inf", "inference.checkpoint_every_s is inf"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(run_file: Path, override: str, expected: str) -> None:
    run_file.write_text(run_file.read_text() + "seed: 1\n")
    with pytest.raises(InputError) as caught:
        load_config(run_file, [override])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_that_contradicts_itself_in_a_training_is_told_at_once(run_file: Path) -> None:
    overrides = ["training.momentum=0.9", "training.cycle_fovs=10", "training.warmup_fovs=100001"]
    with pytest.raises(InputError) as caught:
        load_config(run_file, overrides)
    told = str(caught.value).split("; also: ")
    assert [words.split()[-1] for words in told] == ["sgd", "neither", "reached"]


@pytest.mark.parametrize("none", ["", "''", "null"])
def test_a_checkpoint_that_is_left_empty_is_none(run_file: Path, none: str) -> None:
    assert load_config(run_file, [f"network.checkpoint={none}"]).trains


def test_one_of_two_sections_that_are_one_by_an_anchor_is_changed_alone(run_file: Path) -> None:
    run_file.write_text("site:\n  training: &job {queue: debug, walltime_s: 60}\n  light: *job\n")
    site = load_config(run_file, ["site.training.queue=large"]).site
    assert (site.training.queue, site.light.queue) == ("large", "debug")
    assert site.training.walltime_s == site.light.walltime_s == 60


def test_a_missing_or_torn_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: No such file"):
        load_config(tmp_path / "absent.yaml")
    torn = tmp_path / "torn.yaml"
    torn.write_text("inference: [1, 2")
    with pytest.raises(InputError, match=r"torn\.yaml is not YAML"):
        load_config(torn)


def test_the_first_existing_data_folder_is_taken(
    tmp_path: Path, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second").mkdir()
    candidates = 'data: {folder: ["${SOME_FOLDER}", first, second]}\n'
    run_file.write_text(candidates)
    monkeypatch.delenv("SOME_FOLDER", raising=False)
    assert load_config(run_file).data.folder == str(tmp_path / "second")
    monkeypatch.setenv("SOME_FOLDER", "")
    assert load_config(run_file).data.folder == str(tmp_path / "second")
    monkeypatch.setenv("SOME_FOLDER", str(tmp_path))
    assert load_config(run_file).data.folder == str(tmp_path)
    with pytest.raises(InputError, match="none of these folders exists"):
        load_config(run_file, ["data.folder=nowhere"])


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_run_file_in_configs_is_valid(path: Path, tmp_path: Path) -> None:
    load_config(path, [f"data.folder={tmp_path}"])


def test_defaults_are_a_valid_configuration() -> None:
    assert parse_config({}, "nothing").network.depth == 12
