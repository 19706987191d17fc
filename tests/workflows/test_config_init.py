"""`config init IMAGE`: the file that it writes is one that plans, and says why it is as it is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.io import imsave
from writers import FORMATS, Place

from pipeline.config import Network, RunConfig
from pipeline.ffn.trained_with import TrainedWith
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.geometry import Box
from pipeline.settings.fields import sections_in
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config
from pipeline.settings.yaml_text import read_yaml
from pipeline.synthetic.phantom import Phantom
from tests.commands import said
from workflows.config import main, settings
from workflows.ffn import main as ffn
from workflows.proposing.given import read_given

SHAPE = (48, 64, 150)
PHANTOM = Phantom(SHAPE, seed=3)
IMAGE, LABELS = PHANTOM.image(PHANTOM.box), PHANTOM.labels(PHANTOM.box)
PLACE = Place(origin=(5, 10, 20), voxel_size_nm=(16.0, 8.0, 8.0), chunk=(16, 16, 16))


class Init:
    """`config init` and `plan` in the process of the test."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self._patch, self._capsys = folder / "run file.yaml", patch, capsys
        self.folder = folder

    def __call__(self, *arguments: str) -> tuple[int, str]:
        return said(main, ["init", *arguments, "-o", str(self.file)], self._patch, self._capsys)

    def works(self, *arguments: str) -> tuple[RunConfig, str]:
        code, shown = self(*arguments)
        assert code == 0, shown
        return load_config(self.file), shown

    def plan(self) -> str:
        options = ["--config", str(self.file), "--run-dir", str(self.folder / "run")]
        code, shown = self.ffn("plan", *options)
        assert code == 0, shown
        return shown

    def ffn(self, *arguments: str) -> tuple[int, str]:
        return said(ffn, list(arguments), self._patch, self._capsys)

    def volume(self, name: str, array: np.ndarray, place: Place = PLACE) -> str:
        folder = Path(tempfile.mkdtemp(prefix="a volume ", dir=self.folder))
        return FORMATS[name].write(folder, array, place)


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Init:
    return Init(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    "name", ["hdf5", "zarr 3", "ome-zarr 0.4", "n5", "precomputed", "imagej tiff", "npy"]
)
def test_the_file_plans_for_every_kind_of_volume(name: str, init: Init) -> None:
    image, labels = init.volume(name, IMAGE), init.volume("npy", LABELS)
    known = FORMATS[name].says_size
    origin = PLACE.origin if FORMATS[name].says_origin else (0, 0, 0)
    config, shown = init.works(image, "--truth", labels)
    assert "16 x 8 x 8 nm" in shown or not known
    assert ("size is unknown" in shown) == (not known)
    assert f"{len(np.unique(LABELS)):,} objects, 100.0% of the voxels labelled in all of it" in shown
    assert config.network.fov == ((13, 25, 25) if known else (19, 25, 25))
    box = Box.of_shape(SHAPE, origin)
    assert config.training.box is not None
    assert config.inference.box is not None
    assert box.contains(config.training.box)
    assert box.contains(config.inference.box)
    assert (config.training.box & config.inference.box).is_empty
    assert f"count, score in {config.inference.box}" in " ".join(init.plan().split())


def test_every_key_has_its_explanation_and_the_values_are_those_of_the_volume(init: Init) -> None:
    config, _ = init.works(init.volume("hdf5", IMAGE), "--truth", init.volume("npy", LABELS))
    text = init.file.read_text()
    assert config.data.image_mean == pytest.approx(IMAGE.mean(), abs=0.1)
    assert config.data.image_stddev == pytest.approx(IMAGE.std(), abs=0.1)
    assert f"measured on {IMAGE.size:,} voxels, 100.00% of the image" in " ".join(text.split())
    written = _keys(read_yaml(text))
    explained = {name: field for name, (field, _) in settings(RunConfig())}
    lines = text.splitlines()
    for key in written:
        at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{key.split('.')[-1]}:"))
        assert lines[at - 1].strip().startswith("# "), key
        words = (explained[key].description or "").split()
        assert words, f"{key} is explained nowhere"
        assert " ".join(words[:6]) in " ".join(text.replace("# ", "").split())
    assert not [line for line in lines if len(line) > 120 and not line.startswith("# ")]


def _keys(document: dict[str, object], above: str = "") -> list[str]:
    keys = []
    for name, value in document.items():
        keys += _keys(value, f"{above}{name}.") if isinstance(value, dict) else [above + name]
    return keys


def test_what_the_user_sets_stays_and_the_rest_follows_it(init: Init) -> None:
    overrides = ["network.fov=[9, 17, 17]", "network.deltas=[2, 4, 4]", "training.ranks=1", "site.workers=1"]
    options = [word for override in overrides for word in ("--set", override)]
    config, _ = init.works(init.volume("hdf5", IMAGE), "--truth", init.volume("npy", LABELS), *options)
    assert (config.network.fov, config.network.deltas) == ((9, 17, 17), (2, 4, 4))
    assert (config.training.ranks, config.site.workers) == (1, 1)
    assert config.inference.overlap == (12, 24, 24)
    init.plan()


@pytest.mark.parametrize(
    ("override", "fov", "tile", "overlap"),
    [
        ("inference.tile=[24,32,32]", (13, 25, 25), (24, 32, 32), (18, 24, 24)),
        ("inference.overlap=[14,26,26]", (13, 25, 25), None, (14, 26, 26)),
        ("network.fov=[9,11,11]", (9, 11, 11), None, (12, 15, 15)),
    ],
)
def test_what_is_set_alone_is_not_refused_for_defaults_that_are_not_proposed(
    override: str, fov: tuple[int, ...], tile: tuple[int, ...] | None, overlap: tuple[int, ...], init: Init
) -> None:
    image, labels = init.volume("hdf5", IMAGE), init.volume("npy", LABELS)
    config, _ = init.works(image, "--truth", labels, "--set", override)
    assert (config.network.fov, config.inference.overlap) == (fov, overlap)
    assert config.network.deltas == tuple(f // 4 for f in fov)
    assert tile in (None, config.inference.tile)
    init.plan()


def test_what_is_set_wrongly_is_refused_by_its_name(init: Init) -> None:
    image = init.volume("hdf5", IMAGE)
    for override, told in [
        ("inference.tile=7", "--set: inference.tile is 7: expected three values in brackets, [z, y, x]"),
        ("inference.overlap=[1,-1,1]", "--set: inference.overlap.1 is -1"),
        ("network.fov=[9,10,9]", "--set: network: fov [9, 10, 9] must be odd"),
        ("inference=3", "--set: inference"),
    ]:
        code, shown = init(image, "--set", override)
        assert (code, told in shown) == (1, True), shown


def test_a_volume_too_large_for_the_disk_has_its_file_and_its_plan(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    _, shown = init.works(init.volume("hdf5", IMAGE), "--truth", init.volume("npy", LABELS))
    short = " GB needed at most, 0.0 GB free; make room, or choose another --run-dir"
    assert f"{short}\n" in shown
    assert "warning    disk: " in shown
    options = ["--config", str(init.file), "--run-dir", str(init.folder / "run")]
    code, shown = init.ffn("plan", *options)
    assert code == 1
    assert "FAIL  disk" in shown
    assert "The work\n" in shown
    assert shown.splitlines()[-1].startswith("error: ")
    assert shown.endswith(f"{short}\n")
    code, shown = init.ffn("run", *options)
    assert (code, len(shown.splitlines())) == (1, 1)
    assert not (init.folder / "run").exists()


def test_labels_too_small_to_hold_a_part_back_are_told(init: Init) -> None:
    cut = (slice(0, 40), slice(0, 60), slice(0, 60))
    config, shown = init.works(init.volume("hdf5", IMAGE[cut]), "--truth", init.volume("npy", LABELS[cut]))
    assert "too little to hold a part back" in shown
    assert config.training.box == config.inference.box == config.evaluation.box
    assert "100% of it was seen in training" in shown
    init.plan()


def test_so_few_sections_that_the_network_sees_hardly_any_are_told(init: Init) -> None:
    few = slice(0, 8)
    config, shown = init.works(init.volume("hdf5", IMAGE[few]), "--truth", init.volume("npy", LABELS[few]))
    assert config.network.fov[0] == 3
    assert "doubt      network.fov: along z 8 voxels have room for 3" in shown


def test_a_part_is_held_back_of_what_is_labelled_not_of_the_file(init: Init) -> None:
    image = init.volume("hdf5", IMAGE)
    for drawn in (Box.parse("0:48,0:64,0:130"), Box.parse("10:48,0:64,20:150")):
        labels = np.zeros_like(LABELS)
        labels[drawn.slices()] = LABELS[drawn.slices()]
        config, shown = init.works(image, "--truth", init.volume("npy", labels), "--force")
        here = drawn.translate(PLACE.origin)
        assert f"in which labels lie in {here} alone" in shown
        assert config.training.box is not None
        assert config.inference.box is not None
        assert here.contains(config.training.box)
        assert here.contains(config.inference.box)
        assert "scores: " not in shown


def test_training_on_pairs_of_sections_keeps_no_distance_that_they_have_not(init: Init) -> None:
    labels = np.full(SHAPE, 255, np.uint8)
    for first in (0, 1):
        labels[first::8] = LABELS[first::8] + 1
    config, shown = init.works(init.volume("hdf5", IMAGE), "--truth", init.volume("npy", labels))
    assert config.training.sampling.boundary_distance == 0
    assert "warning    labels" not in shown


def test_paths_that_are_set_hold_from_every_folder(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = init.volume("hdf5", IMAGE), init.volume("npy", LABELS)
    np.save(init.folder / "mask.npy", np.ones(SHAPE, np.uint8))
    monkeypatch.chdir(init.folder)
    config, _ = init.works(image, "--truth", labels, "--set", "data.mask=mask.npy")
    assert config.data.mask == str(init.folder / "mask.npy")
    np.save(init.folder / "more.npy", IMAGE)
    np.save(init.folder / "more_labels.npy", LABELS)
    volumes = "training.volumes=[{data: {image: more.npy, labels: more_labels.npy}}]"
    config, _ = init.works(image, "--truth", labels, "--set", volumes, "--force")
    (other,) = config.training.volumes
    assert other.data.image == str(init.folder / "more.npy")
    assert other.data.labels == str(init.folder / "more_labels.npy")
    passes = "inference.passes=[{}, {checkpoint: of another.h5}]"
    with_passes = read_given(image, labels, [passes])
    assert with_passes.inference.passes[1].checkpoint == str(init.folder / "of another.h5")


def test_missing_chunks_are_told_and_let_pass_in_writing(init: Init) -> None:
    image = init.volume("n5", IMAGE)
    chunks = sorted(path for path in init.folder.rglob("*") if path.is_file() and path.suffix != ".json")
    chunks[7].unlink()
    config, shown = init.works(image, "--truth", init.volume("npy", LABELS))
    assert "1 of 60 chunks of the image are missing" in shown
    assert "better complete it" in init.file.read_text()
    assert config.data.max_missing == 0.02
    init.plan()


def test_without_truth_a_network_is_asked_for_or_taken(init: Init) -> None:
    image = init.volume("hdf5", IMAGE)
    config, shown = init.works(image)
    assert "set network.checkpoint to a trained network" in shown
    assert "TO DO" in init.file.read_text()
    assert config.inference.box == Box.of_shape(SHAPE, PLACE.origin)
    network = Network(fov=(9, 13, 13), deltas=(2, 3, 3), depth=2, features=4)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(network).items()}
    write_weights(weights, network, init.folder / "ffn.h5")
    config, _ = init.works(image, "--set", f"network.checkpoint={init.folder}/ffn.h5", "--force")
    assert (config.network.fov, config.network.deltas, config.network.depth) == ((9, 13, 13), (2, 3, 3), 2)
    assert "import network" in init.plan()
    start = f"training.start_from={init.folder}/ffn.h5"
    config, _ = init.works(image, "--truth", init.volume("npy", LABELS), "--set", start, "--force")
    assert (config.network.fov, config.network.features) == ((9, 13, 13), 4)
    assert "FOVs" in init.plan()


def test_what_the_network_was_trained_on_is_left_out_of_the_scores(init: Init) -> None:
    image, labels = init.volume("hdf5", IMAGE), init.volume("npy", LABELS)
    sizes = ["network.fov=[9, 13, 13]", "network.deltas=[2, 3, 3]", "network.depth=2", "network.features=4"]
    first, _ = init.works(image, "--truth", labels, *(word for each in sizes for word in ("--set", each)))
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(first.network).items()}
    data = first.data.model_copy(update={"image_mean": 220.0, "image_stddev": 10.0})
    run = resolve(first.model_copy(update={"data": data}), init.folder / "run")
    write_weights(weights, first.network, init.folder / "ffn.h5", TrainedWith.of(run))
    network = ["--set", f"network.checkpoint={init.folder}/ffn.h5", "--force"]
    config, shown = init.works(image, "--truth", labels, *network)
    assert config.inference.box == Box.of_shape(SHAPE, PLACE.origin)
    assert (config.data.image_mean, config.data.image_stddev) == (220, 10), "as it was trained on this image"
    assert "seen in training" not in shown + init.plan()
    assert first.training.box is not None
    assert first.inference.box is not None
    assert config.evaluation.exclude is not None
    assert config.evaluation.exclude.contains(first.training.box)
    assert (config.evaluation.exclude & first.inference.box).is_empty, "what was held back is scored"
    config, _ = init.works(init.volume("hdf5", IMAGE[:, ::-1]), "--truth", labels, *network)
    assert config.evaluation.exclude is None, "another image"
    assert config.data.image_mean != 220


@pytest.mark.parametrize("is_far", [False, True])
def test_an_image_is_normalised_as_the_network_was_trained_if_that_will_do(init: Init, is_far: bool) -> None:
    network = Network(fov=(9, 13, 13), deltas=(2, 3, 3), depth=2, features=4)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(network).items()}
    own = (220.0, 10.0) if is_far else (float(round(IMAGE.mean())), float(round(IMAGE.std())) + 2)
    trained = TrainedWith(network.fov, network.deltas, *own)
    write_weights(weights, network, init.folder / "ffn.h5", trained)
    config, _ = init.works(init.volume("hdf5", IMAGE), "--set", f"network.checkpoint={init.folder}/ffn.h5")
    found = (config.data.image_mean, config.data.image_stddev)
    assert found == (pytest.approx((IMAGE.mean(), IMAGE.std()), abs=0.1) if is_far else own)
    assert ("220" in init.plan()) == is_far  # what the network was trained with is told


def test_each_of_the_images_that_a_network_learned_from_is_normalised_as_it_was_there(init: Init) -> None:
    """Trained on two, of 8 and of 16 bits, it is one network file with the values of the first."""
    network = Network(fov=(9, 13, 13), deltas=(2, 3, 3), depth=2, features=4)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(network).items()}
    here = {"image": init.volume("hdf5", IMAGE), "labels": init.volume("npy", LABELS)}
    there = {"image": init.volume("hdf5", IMAGE.astype(np.uint16) * 40), "labels": here["labels"]}
    document = {"data": here, "network": network, "training": {"volumes": [{"data": there}]}}
    run = resolve(RunConfig.model_validate(document), init.folder / "run")
    write_weights(weights, network, init.folder / "ffn.h5", TrainedWith.of(run))
    for one in run.trained_on:
        image, checkpoint = one.config.data.image, f"network.checkpoint={init.folder}/ffn.h5"
        config, _ = init.works(image, "--set", checkpoint, "--force")
        assert (config.data.image_mean, config.data.image_stddev) == one.normalisation
        assert "trained with" not in init.plan()


def test_a_file_is_overwritten_by_force_alone(init: Init) -> None:
    image = init.volume("hdf5", IMAGE)
    init.file.write_text("mine")
    code, shown = init(image)
    assert (code, shown.count("\n")) == (1, 1)
    assert "is there already: name another file by -o, or overwrite it by --force" in shown
    assert init.file.read_text() == "mine"
    init.works(image, "--force")
    assert init.file.read_text() != "mine"
    assert not list(init.folder.glob(".*"))


def test_what_cannot_be_used_ends_in_one_line_and_writes_nothing(init: Init) -> None:
    image, labels = init.volume("hdf5", IMAGE), init.volume("npy", LABELS)
    few = init.volume("npy", IMAGE[:8])
    sizes = Network(fov=(9, 13, 13), deltas=(2, 3, 3), depth=2, features=4)
    network = str(init.folder / "ffn.h5")
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(sizes).items()}
    write_weights(weights, sizes, init.folder / "ffn.h5", TrainedWith(sizes.fov, sizes.deltas, 128.0, 33.0))
    for arguments, expected in (
        (["nothing.h5:raw"], "nothing.h5"),
        ([image.partition(":")[0]], "v.h5"),
        ([image, "--truth", init.volume("npy", LABELS[:20].astype(np.uint16))], "set data.labels_box"),
        ([image, "--truth", init.volume("npy", LABELS.astype(np.float32))], "expected integer ids"),
        ([init.volume("npy", np.zeros((20, 30, 40), np.uint8))], "is blank"),
        ([init.volume("npy", IMAGE[:5].astype(np.uint16))], "too thin"),
        ([image, "--set", "data.voxelsize=[1,1,1]"], "did you mean 'voxel_size_nm'?"),
        ([image, "--truth", labels, "--set", "inference.tile=[5, 5, 5]"], "smaller than the network.fov"),
        ([image, "--set", f"network.checkpoint={init.folder}/none.h5"], "none.h5"),
        ([few, "--set", f"network.checkpoint={network}"], "or take a network that has a smaller one"),
    ):
        code, shown = init(*arguments)
        assert (code, shown.count("\n")) == (1, 1), shown
        assert shown.startswith("error: ")
        assert expected in shown
        assert not init.file.exists()


@pytest.mark.parametrize("how", ["slices", "among what is not labelled"])
def test_sections_that_alone_are_labelled_are_found(how: str, init: Init) -> None:
    """By the numbers of their files, or by what is in them; they train a network as any labels do."""
    drawn = list(range(3, SHAPE[0], 5))
    if how == "slices":
        image, truth = init.folder / "em", init.folder / "truth"
        for folder, numbers, array in (
            (image, range(SHAPE[0]), IMAGE),
            (truth, drawn, LABELS.astype(np.uint16)),
        ):
            folder.mkdir()
            for z in numbers:
                imsave(folder / f"z{z:04}.tif", array[z], check_contrast=False)
        config, shown = init.works(str(image), "--truth", str(truth))
    else:
        sparse = np.zeros_like(LABELS)
        sparse[drawn] = LABELS[drawn]
        config, shown = init.works(init.volume("hdf5", IMAGE), "--truth", init.volume("npy", sparse))
    assert config.data.labelled_sections is not None
    first = sections_in(config.data.labelled_sections)[0] - 3
    assert sections_in(config.data.labelled_sections) == tuple(z + first for z in drawn)
    assert config.training.sampling.boundary_distance == 1
    assert config.training.box is not None
    assert "9 sections labelled" in shown
    init.plan()
