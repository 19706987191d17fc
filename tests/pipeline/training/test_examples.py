"""Examples keep the POM between FOV moves, move only where they may, and depend on their key alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Network, Training
from pipeline.ffn.flood_rules import FloodRules, logit
from pipeline.geometry import Box, Triple
from pipeline.training.example import NOT_COUNTED, Example, Fov, FovStream, patch_radius
from pipeline.training.examples import ExampleMaker, ExampleStream, random_symmetry
from pipeline.training.moves import POLICIES, Moves, Way, all_steps, face_steps, first_way
from pipeline.training.training_volume import TrainingVolume

NETWORK = Network(fov=(7, 9, 11), deltas=(1, 2, 3), depth=1, features=1)
CUBE = Network(fov=(9, 9, 9), deltas=(2, 2, 2), depth=1, features=1)
Update = Callable[[Fov], np.ndarray]
SEEDS = st.integers(0, 2**32 - 1)
INSIDE, OUTSIDE = logit(0.95), logit(0.05)
RULES = FloodRules()
SEED_LOGIT, PAD_LOGIT, MOVE_LOGIT = RULES.seed_logit, RULES.pad_logit, RULES.move_logit


def example(seed: int, network: Network = NETWORK, moves_reach: int = 1) -> Example:
    rng = np.random.default_rng(seed)
    radius = patch_radius(network, moves_reach)
    shape = [2 * r + 1 for r in radius]
    inside = rng.random(shape) < 0.7
    inside[radius] = True
    image = rng.normal(size=shape).astype(np.float32)
    return Example(image, inside, network, soft_label=0.9, moves_reach=moves_reach)


def answer(stream: FovStream, update: Update) -> list[Fov]:
    """Run a stream to its end, answering every FOV with `update(fov)`; returns copies of what it showed."""
    shown = []
    try:
        fov = next(stream)
        while True:
            shown.append(Fov(fov.image.copy(), fov.pom.copy(), fov.labels.copy()))
            fov = stream.send(update(fov))
    except StopIteration:
        return shown


def moves_of(policy: str, subject: Example, network: Network, seed: int) -> Moves:
    way = first_way(policy, network.deltas, np.random.default_rng(seed))
    return POLICIES[policy](subject, network.deltas, way)


def perfect(fov: Fov) -> np.ndarray:
    return np.where(fov.labels > 0.5, INSIDE, OUTSIDE).astype(np.float32)


def test_a_new_pom_is_pad_but_for_the_seed() -> None:
    pom = example(0).pom
    assert pom[patch_radius(NETWORK)] == np.float32(SEED_LOGIT) == np.float32(np.log(19))
    assert np.count_nonzero(pom == np.float32(PAD_LOGIT)) == pom.size - 1


def test_pad_and_threshold_are_those_of_the_settings() -> None:
    training = Training(pad_probability=0.5, move_threshold=0.6, seed_probability=0.8)
    _, subject = replace(maker(COORDINATES), training=training).example(np.random.default_rng(0))
    assert subject.pom[subject.radius] == np.float32(logit(0.8))
    assert np.count_nonzero(subject.pom == 0) == subject.pom.size - 1
    for probability, reached in ((0.61, True), (0.59, False)):
        subject.pom[tuple(np.add(subject.radius, (1, 0, 0)))] = logit(probability)
        assert subject.reaches((1, 0, 0)) == reached
        assert len(subject.face_maxima((0, 0, 0))) == reached


def test_labels_are_soft() -> None:
    fov = next(example(1).flood(iter([(0, 0, 0)])))
    assert set(np.unique(fov.labels)) == {np.float32(0.9), np.float32(0.1)}


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_fov_at_an_offset_shows_that_part_of_the_patch_and_the_pom_left_there(seed: int) -> None:
    subject = example(seed)
    rng = np.random.default_rng(seed)
    offsets = [tuple(rng.integers(-np.array(NETWORK.deltas), np.array(NETWORK.deltas) + 1)) for _ in range(5)]
    expected = subject.pom.copy()
    stream = subject.flood(iter(offsets))
    fov = next(stream)
    for index, (dz, dy, dx) in enumerate(offsets):
        where = np.s_[1 + dz : 8 + dz, 2 + dy : 11 + dy, 3 + dx : 14 + dx]
        assert np.array_equal(fov.image, subject.image[where])
        assert np.array_equal(fov.labels > 0.5, subject.inside[where])
        assert np.array_equal(fov.pom, expected[where])
        update = rng.normal(size=NETWORK.fov).astype(np.float32)
        expected[where] = update
        if index + 1 < len(offsets):
            fov = stream.send(update)
        else:
            with pytest.raises(StopIteration):
                stream.send(update)
        assert np.array_equal(subject.pom, expected)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_fixed_moves_are_the_faces_where_the_pom_reaches_the_threshold(seed: int) -> None:
    subject = example(seed)
    rng = np.random.default_rng(seed)
    subject.pom[:] = rng.choice([MOVE_LOGIT, np.nextafter(MOVE_LOGIT, 0)], subject.pom.shape)
    subject.pom[patch_radius(NETWORK)] = SEED_LOGIT
    faces = [(1, 0, 0), (-1, 0, 0), (0, 2, 0), (0, -2, 0), (0, 0, 3), (0, 0, -3)]
    reached = {f for f in faces if subject.pom[tuple(np.add(f, patch_radius(NETWORK)))] >= MOVE_LOGIT}
    first, *rest = moves_of("fixed", subject, NETWORK, seed)
    assert first == (0, 0, 0)
    assert len(rest) == len(reached)
    assert set(rest) == reached


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_neighbours_are_the_26_around_the_centre_where_the_pom_reaches_the_threshold(seed: int) -> None:
    subject = example(seed)
    rng = np.random.default_rng(seed)
    subject.pom[:] = rng.choice([MOVE_LOGIT, np.nextafter(MOVE_LOGIT, 0)], subject.pom.shape)
    subject.pom[subject.radius] = SEED_LOGIT
    around = {(z, y, x) for z in (-1, 0, 1) for y in (-2, 0, 2) for x in (-3, 0, 3)} - {(0, 0, 0)}
    first, *rest = moves_of("neighbours", subject, NETWORK, seed)
    assert first == (0, 0, 0)
    assert len(rest) == len(set(rest))
    assert set(rest) == {o for o in around if subject.pom[tuple(np.add(o, subject.radius))] >= MOVE_LOGIT}


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([(1, 2, 3), (4, 4, 4), (2, 5, 4)]))
def test_the_fixed_window_takes_any_voxel_of_the_shell_half_a_delta_around(seed: int, deltas: Triple) -> None:
    network = Network(fov=(9, 11, 9), deltas=deltas, depth=1, features=1)
    subject = example(seed, network)
    rng = np.random.default_rng(seed)
    subject.pom[:] = np.where(rng.random(subject.pom.shape) < 0.03, INSIDE, OUTSIDE)
    subject.pom[subject.radius] = SEED_LOGIT
    reached = set()
    for step in all_steps(deltas):
        for voxel in np.argwhere(subject.pom >= MOVE_LOGIT) - np.array(subject.radius):
            on_shell = (abs(voxel) <= deltas).all() and (abs(voxel) == deltas).any()
            if on_shell and (abs(voxel - step) <= np.array(deltas) // 2).all():
                reached.add(step)
    first, *rest = moves_of("fixed_window", subject, network, seed)
    assert first == (0, 0, 0)
    assert len(rest) == len(set(rest))
    assert set(rest) == reached


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.sampled_from(sorted(POLICIES)), st.integers(0, 8))
def test_moves_that_are_begun_on_a_way_in_between_go_on_as_the_others_would_have(
    seed: int, policy: str, after: int
) -> None:
    reach = 2 if policy == "max_pred_moves" else 1

    def update(fov: Fov) -> np.ndarray:
        return np.random.default_rng(int(fov.pom.sum() * 64) % 2**32).normal(2, 2, fov.pom.shape)

    def offsets(stop: int | None) -> tuple[list[Triple], Example, Way]:
        subject, way = example(seed, CUBE, reach), first_way(policy, CUBE.deltas, np.random.default_rng(seed))
        return follow(subject, way, stop), subject, way

    def follow(subject: Example, way: Way, stop: int | None) -> list[Triple]:
        found = []
        moves = POLICIES[policy](subject, CUBE.deltas, way)
        for offset in moves:
            found.append(offset)
            if len(found) == stop:
                break
            fov = next(subject.flood(iter([offset])))
            fov.pom[:] = update(fov)
        return found

    undisturbed, _, _ = offsets(None)
    begun, subject, way = offsets(min(after + 1, len(undisturbed)))
    rest = follow(subject, Way(way.waiting.copy(), way.visited.copy()), None)
    assert begun[:-1] + rest == undisturbed


def test_fixed_moves_are_six_of_the_26() -> None:
    assert len(set(face_steps((1, 2, 3)))) == 6
    assert set(face_steps((1, 2, 3))) < set(all_steps((1, 2, 3)))


def test_a_network_that_finds_nothing_is_shown_the_centre_only() -> None:
    subject = example(2)
    shown = answer(
        subject.flood(moves_of("fixed", subject, NETWORK, 1)),
        lambda fov: np.full_like(fov.pom, OUTSIDE),
    )
    assert len(shown) == 1


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(1, 3))
def test_max_pred_moves_follow_the_pom_stay_in_the_patch_and_never_repeat(seed: int, reach: int) -> None:
    subject = example(seed, CUBE, reach)
    visited: list[Triple] = []

    def record(moves: Moves) -> Moves:
        for offset in moves:
            assert subject.pom[tuple(np.add(offset, subject.radius))] >= MOVE_LOGIT
            visited.append(offset)
            yield offset

    answer(subject.flood(record(moves_of("max_pred_moves", subject, CUBE, seed))), perfect)
    assert visited[0] == (0, 0, 0)
    assert all(abs(step) <= 2 * reach for offset in visited for step in offset)
    assert len(set(visited)) == len(visited)


def test_max_pred_moves_go_on_where_the_network_is_wrong() -> None:
    """So that it learns to take back what it flooded by mistake."""
    subject = example(3, CUBE)
    subject.inside[:] = False
    subject.inside[subject.radius] = True
    moves = moves_of("max_pred_moves", subject, CUBE, 0)
    shown = answer(subject.flood(moves), lambda fov: np.full_like(fov.pom, INSIDE))
    assert len(shown) > 1


def test_max_pred_moves_fill_a_patch_that_is_all_object() -> None:
    shape = [2 * r + 1 for r in patch_radius(CUBE)]
    subject = Example(np.zeros(shape, np.float32), np.ones(shape, bool), CUBE, 0.95)
    distance = sum(np.abs(axis - 4) for axis in np.indices(CUBE.fov))

    def surest_in_the_middle(fov: Fov) -> np.ndarray:
        return (INSIDE + 1 / (1 + distance)).astype(np.float32)

    moves = moves_of("max_pred_moves", subject, CUBE, 0)
    answer(subject.flood(moves), surest_in_the_middle)
    assert (subject.pom >= MOVE_LOGIT).all()


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_augmentation_permutes_only_axes_of_equal_size_and_keeps_every_voxel(seed: int) -> None:
    network = Network(fov=(7, 9, 9), deltas=(2, 3, 3), depth=1, features=1)
    turn = random_symmetry(network, np.random.default_rng(seed))
    z, y, x = np.meshgrid(*(np.arange(-r, r + 1) for r in patch_radius(network)), indexing="ij")
    voxels = np.stack([turn(axis) for axis in (z, y, x)])
    assert voxels[0].shape == z.shape
    assert np.array_equal(np.abs(voxels[0]), np.abs(z))
    assert {tuple(v) for v in voxels.reshape(3, -1).T} == {
        (a, b, c) for a, b, c in zip(z.flat, y.flat, x.flat)
    }


def test_augmentation_reaches_all_48_symmetries_of_a_cube() -> None:
    probe = np.arange(27).reshape(3, 3, 3)
    turned = {random_symmetry(CUBE, np.random.default_rng(seed))(probe).tobytes() for seed in range(2000)}
    assert len(turned) == 48


def volume(seed: int = 0) -> TrainingVolume:
    rng = np.random.default_rng(seed)
    box = Box.of_shape((30, 32, 34), start=(5, 6, 7))
    image = rng.integers(0, 256, box.shape).astype(np.uint8)
    labels = rng.integers(0, 4, box.shape).astype(np.uint32)
    return TrainingVolume(box, image, labels, image_mean=128, image_stddev=33)


def maker(coordinates: np.ndarray) -> ExampleMaker:
    return ExampleMaker([volume()], np.insert(coordinates, 0, 0, axis=1), NETWORK, Training())


COORDINATES = np.array([[15, 16, 18], [20, 20, 20], [22, 25, 24], [14, 22, 25]])


def test_a_patch_is_normalised_and_shows_the_object_at_its_centre() -> None:
    subject = volume()
    image, inside = subject.patch((15, 16, 17), (2, 3, 4))
    raw, labels = (a[8:13, 7:14, 6:15] for a in (subject.image, subject.labels))
    assert np.allclose(image, (raw.astype(np.float64) - 128) / 33)
    assert image.dtype == np.float32
    assert np.array_equal(inside, (labels == labels[2, 3, 4]) & (labels != 0))


def test_an_example_depends_on_its_key_and_number_alone() -> None:
    """Number 5 of a stream is the same whether or not the network moved the FOV in numbers 0 to 4."""

    def images(update: Update) -> list[np.ndarray]:
        finished: list[Example] = []
        stream = ExampleStream(maker(COORDINATES), (1, 2, 3, 4), finished.append).fovs()
        fov = next(stream)
        while len(finished) < 6:
            fov = stream.send(update(fov))
        return [e.image for e in finished]

    moving = images(perfect)
    still = images(lambda fov: np.full_like(fov.pom, OUTSIDE))
    assert all(np.array_equal(a, b) for a, b in zip(moving, still))


def test_streams_of_different_keys_differ() -> None:
    keys = [(1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)]
    first = [
        np.stack(
            [
                fov.image.copy()
                for fov in islice(ExampleStream(maker(COORDINATES), key, lambda _: None).fovs(), 1)
            ]
        )
        for key in keys
    ]
    assert len({f.tobytes() for f in first}) == len(keys)


def test_what_nobody_knows_has_no_part_in_labels_nor_metrics() -> None:
    shape = tuple(2 * r + 1 for r in patch_radius(CUBE))
    ignored = np.zeros(shape, bool)
    ignored[:4] = True
    subject = Example(np.zeros(shape, np.float32), np.ones(shape, bool), CUBE, 0.95, ignored=ignored)
    np.testing.assert_array_equal(subject.labels == NOT_COUNTED, ignored)
    assert not subject.scored[ignored].any()
    known = Example(np.zeros(shape, np.float32), np.ones(shape, bool), CUBE, 0.95)
    np.testing.assert_array_equal(subject.scored, known.scored & ~ignored)
