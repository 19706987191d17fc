"""A network is tried in floods before it is published: one that settles is, one that diverges is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright_blocks import NETWORK, make_run, write_network

from pipeline.errors import InputError
from pipeline.ffn.weights import read_weights, write_weights
from pipeline.ffn.winograd import compiled
from pipeline.geometry import Box
from pipeline.inference import rehearsal
from pipeline.inference.rehearsal import read_rehearsal, rehearse
from pipeline.results.artifacts import Recipe, Target
from pipeline.results.records import make, sealed, unsealed
from pipeline.run_folder import Run

FOVS = 1200


def settling(folder: Path) -> Path:
    """The network of bright blocks, but with a bound: the POM goes to 5 times the image."""
    return _changed(folder, kernel=[[1, -1], [-0.2, 0.2]], last=[4, -4])


def grows_by(factor: float, folder: Path) -> Path:
    """One that takes bright voxels into the object, and adds `factor` times what they have there already."""
    return _changed(folder, kernel=[[1, 0], [0, 1]], last=[4, factor])


def _changed(folder: Path, kernel: list[list[float]], last: list[float]) -> Path:
    """`kernel` is from image and POM to two features, `last` from these to what is added to the POM."""
    path = Path(write_network(folder).path)
    weights = read_weights(path, NETWORK)
    weights["conv0_a/kernel"][1, 1, 1] = kernel
    weights["conv_lom/kernel"][0, 0, 0, :, 0] = last
    write_weights(weights, NETWORK, path)
    return path.rename(folder / ".ffn.h5.not-published-yet.tmp")


@pytest.fixture
def run(tmp_path: Path, image_file: Path) -> Run:
    run = make_run(tmp_path, image_file)
    training = run.config.training.model_copy(update={"box": Box((0, 0, 0), (40, 44, 48))})
    return replace(run, config=run.config.model_copy(update={"training": training}))


@pytest.fixture
def coordinates(tmp_path: Path) -> Path:
    """In two of the blocks, of the run's own volume and of another."""
    path = tmp_path / "coordinates.npy"
    np.save(path, np.array([[1, 9, 9, 9], [0, 20, 20, 36], [0, 10, 20, 10]], np.int32))
    return path


def publish(run: Run, network: Path, until: int | None = None) -> None:
    """As a training does it that ends with this network."""
    path = run.candidate_file(until) if until else run.model_file

    def write(temporary: Path) -> None:
        temporary.write_bytes(network.read_bytes())

    make(Target(path, Recipe("train", 1, {}, {})), write)


def test_a_network_that_settles_is_told_with_what_it_was_shown(run: Run, coordinates: Path) -> None:
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    publish(run, network)
    found = read_rehearsal(run)
    assert found is not None
    assert not found.has_grown
    assert found.diverged_at is None
    assert found.seeds == 2, "those of the run's own volume"
    assert 10 < found.calls <= rehearsal.MOST_CALLS
    assert found.most_often > 10
    assert 0 < found.largest_logit < rehearsal.GROWN
    assert f"{found.calls} FOVs from 2 seeds" in str(found)


def test_the_same_network_gives_the_same_bytes(run: Run, coordinates: Path) -> None:
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    before = run.rehearsal_file().read_bytes()
    rehearse(run, network, coordinates)
    assert run.rehearsal_file().read_bytes() == before


def test_one_that_diverges_is_refused_with_what_helps_and_what_is_kept(run: Run, coordinates: Path) -> None:
    network = grows_by(30, run.folder)
    with pytest.raises(InputError, match=r"(?s)diverges.*NaN or infinity.*from \(20, 20, 36\)") as caught:
        rehearse(run, network, coordinates)
    for told in ("moves_reach", "decay_fovs", "learning_rate", "training.fovs", str(run.checkpoint_file)):
        assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_that_is_far_beyond_all_that_settle_is_refused_before_it_is_infinite(
    run: Run, coordinates: Path
) -> None:
    with pytest.raises(InputError, match=r"the largest logit was \d(\.\d+)?e\+\d+, from \(20, 20, 36\)"):
        rehearse(run, grows_by(2, run.folder), coordinates)


def test_without_openvino_the_network_is_tried_all_the_same(
    run: Run, coordinates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "library", lambda network: None)
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    publish(run, network)
    before = read_rehearsal(run)
    monkeypatch.setitem(sys.modules, "openvino", None)  # which cannot be imported then
    monkeypatch.delitem(sys.modules, "pipeline.inference.engines.openvino")
    rehearse(run, network, coordinates)
    after = read_rehearsal(run)
    assert before is not None
    assert after is not None
    assert (after.calls, after.seeds) == (before.calls, before.seeds)
    assert after.largest_logit == pytest.approx(before.largest_logit, rel=1e-3)


def test_of_several_networks_it_is_only_noted(run: Run, coordinates: Path) -> None:
    """One that comes later may do better, and segmentation chooses."""
    network = grows_by(30, run.folder)
    rehearse(run, network, coordinates, FOVS)
    publish(run, network, FOVS)
    found = read_rehearsal(run, FOVS)
    assert found is not None
    assert found.diverged_at == (20, 20, 36)
    assert found.has_grown
    assert read_rehearsal(run) is None


def test_one_that_grows_and_stays_finite_is_doubted(
    run: Run, coordinates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = grows_by(3, run.folder)
    monkeypatch.setattr(rehearsal, "MOST_CALLS", 5)
    rehearse(run, network, coordinates)
    publish(run, network)
    found = read_rehearsal(run)
    assert found is not None
    assert found.diverged_at is None
    assert found.calls == 5
    assert found.has_grown


def test_what_was_found_of_another_network_is_not_told_of_this_one(run: Run, coordinates: Path) -> None:
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    publish(run, grows_by(30, run.folder))
    assert read_rehearsal(run) is None


def test_what_was_found_with_other_settings_of_inference_is_not_told(run: Run, coordinates: Path) -> None:
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    publish(run, network)

    def after(**inference: object) -> rehearsal.Rehearsal | None:
        changed = run.config.inference.model_copy(update=inference)
        return read_rehearsal(replace(run, config=run.config.model_copy(update={"inference": changed})))

    assert after(min_segment_voxels=1) is not None, "which decides what is kept, and not how it floods"
    assert after(move_threshold=0.8) is None
    assert after(deltas=(3, 3, 3)) is None
    of_older_program = unsealed(run.rehearsal_file().read_bytes())
    assert of_older_program is not None
    del of_older_program["flooded_by"]
    run.rehearsal_file().write_bytes(sealed(of_older_program))
    assert after(move_threshold=0.8) is not None


def test_a_file_that_was_damaged_tells_nothing(run: Run, coordinates: Path) -> None:
    network = settling(run.folder)
    rehearse(run, network, coordinates)
    publish(run, network)
    path = run.rehearsal_file()
    path.write_bytes(path.read_bytes()[:-5])
    assert read_rehearsal(run) is None
