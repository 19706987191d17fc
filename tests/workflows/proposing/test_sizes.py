"""What is proposed for a volume is what the settings and the checks of a run allow."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checkup.drawn import ROOM
from pipeline.config import Network, RunConfig
from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Triple
from pipeline.tile_grid import TileGrid
from workflows.proposing.sizes import (
    LEAST_FOV,
    fov_for,
    fov_to_train,
    overlap_of,
    split,
    tile_bytes,
    tile_for,
)

shapes = st.tuples(*[st.integers(7, 900)] * 3)
sizes = st.tuples(*[st.floats(1, 100)] * 3)
origins = st.tuples(*[st.integers(-5000, 5000)] * 3)


def test_a_fov_is_as_long_in_nm_along_every_axis_but_never_a_few_sections() -> None:
    assert fov_for(25, (10.0, 10.0, 10.0), (250, 250, 250), 2) == ((25, 25, 25), (6, 6, 6))
    assert fov_for(33, (20.0, 9.0, 9.0), (999, 999, 999), 1)[0] in {(15, 33, 33), (17, 33, 33)}
    assert fov_for(33, (40.0, 4.0, 4.0), (999, 999, 999), 1) == ((LEAST_FOV, 33, 33), (2, 8, 8))
    assert fov_for(25, None, (999, 999, 999), 2)[0] == (25, 25, 25)


@given(size=sizes, room=shapes, reach=st.integers(1, 2), base=st.sampled_from([25, 33]))
def test_a_network_that_is_proposed_is_valid_and_its_patch_has_room(
    size: tuple[float, float, float], room: Triple, reach: int, base: int
) -> None:
    fov, deltas = fov_for(base, size, room, reach)
    network = Network(fov=fov, deltas=deltas)
    assert all(2 * r + 1 <= n for r, n in zip(patch_radius(network, reach), room))
    for (f, a, n), (g, b, m) in itertools.permutations(zip(fov, size, room), 2):
        if a < b and n >= m:  # coarser voxels, no more room: no larger FOV
            assert f >= g


def test_where_there_is_little_room_a_smaller_fov_leaves_examples_places() -> None:
    """Of 25 the patch is 49, which 50 to 60 voxels leave hardly a place; of fewer than 9 none is taken."""
    for length, least in [(50, 19), (60, 19), (61, 25), (20, LEAST_FOV), (17, LEAST_FOV), (16, 7)]:
        [fov], [step] = ({n[0]} for n in fov_for(25, None, (length, 250, 250), 2))
        assert (length, fov) == (length, fov_for(25, None, (length,) * 3, 2)[0][1])
        centred = length - (fov + 4 * step) + 1
        assert fov >= least or length < 17, (length, fov)
        assert centred >= ROOM * length or fov <= LEAST_FOV, (length, fov)


@pytest.mark.parametrize(("length", "fov"), [(134, 25), (133, 23), (90, 17), (89, 25)])
def test_where_a_smaller_fov_alone_lets_a_part_be_held_back_it_is_taken(length: int, fov: int) -> None:
    """Of 17: a patch of 33 with places, its radius, two FOVs. Less than two thirds is not taken."""
    labelled = (61, 61, length)
    found, deltas = fov_to_train(25, None, labelled, 2)
    assert found == (fov,) * 3
    _, held_back = split(Box.of_shape(labelled), Network(fov=found, deltas=deltas), 2)
    assert (held_back is None) == (length < 90)


@given(shape=shapes, reach=st.integers(1, 2))
def test_a_part_is_held_back_only_if_training_keeps_places_there(shape: Triple, reach: int) -> None:
    fov, deltas = fov_for(25, None, shape, reach)
    network, labelled = Network(fov=fov, deltas=deltas), Box.of_shape(shape)
    training, held_back = split(labelled, network, reach)
    for whole, length, r in zip(shape, training.shape, patch_radius(network, reach)):
        if held_back is not None and length < whole:
            assert length - 2 * r >= ROOM * length


def test_tiles_that_are_given_share_one_and_a_half_fovs_but_not_nearly_all() -> None:
    assert overlap_of((80, 80, 96), (25, 25, 25)) == (36, 36, 36)
    assert overlap_of((20, 40, 64), (9, 33, 33)) == (12, 30, 48)
    assert overlap_of((3, 33, 33), (3, 33, 33)) == (2, 24, 24)
    shape, fov = (900, 900, 900), (33, 33, 33)
    for overlap in [(0, 0, 0), (60, 60, 60), (300, 300, 300), (600, 600, 600)]:
        tile, shared = tile_for(Box.of_shape(shape), fov, 1, 1e12, overlap)
        assert shared == overlap
        assert all(t > o for t, o in zip(tile, overlap))


def test_a_volume_too_thin_for_any_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"is 6 voxels along y: .* 7 voxels"):
        fov_for(25, None, (90, 6, 90), 2)


@given(shape=shapes, origin=origins, size=sizes)
def test_what_is_held_back_meets_no_patch_of_the_training_box(
    shape: Triple, origin: Triple, size: tuple[float, float, float]
) -> None:
    fov, deltas = fov_for(25, size, shape, 2)
    network, labelled = Network(fov=fov, deltas=deltas), Box.of_shape(shape, origin)
    training, held_back = split(labelled, network, 2)
    radius = patch_radius(network, 2)
    assert labelled.contains(training)
    assert all(2 * r + 1 <= n for r, n in zip(radius, training.shape))
    if held_back is None:
        assert training == labelled
        assert max(shape) < 2 * max(radius) / (1 - ROOM) + 1 + max(radius) + 2 * max(fov)
    else:
        assert labelled.contains(held_back)
        assert (training.grow(radius) & held_back).is_empty
        assert all(n >= f for n, f in zip(held_back.shape, fov))


@given(shape=shapes, origin=origins, size=sizes, workers=st.integers(1, 8))
def test_tiles_fit_the_settings_and_the_memory(
    shape: Triple, origin: Triple, size: tuple[float, float, float], workers: int
) -> None:
    fov, deltas = fov_for(25, size, shape, 1)
    box, memory = Box.of_shape(shape, origin), 1e9
    tile, overlap = tile_for(box, fov, workers, memory)
    RunConfig.model_validate(
        {"network": {"fov": fov, "deltas": deltas}, "inference": {"tile": tile, "overlap": overlap}}
    )
    grid = TileGrid(box, tile, overlap)
    assert all(shared > 2 * (f // 2) for shared, f, n in zip(overlap, fov, grid.shape) if n > 1)
    smallest, _ = tile_for(box, fov, workers, 0)
    assert tile_bytes(tile, fov) <= memory or tile == smallest


def test_a_larger_memory_takes_larger_tiles_but_leaves_no_worker_idle() -> None:
    box = Box.of_shape((2000, 2000, 2000))
    tiles = [tile_for(box, (33, 33, 33), 2, memory)[0] for memory in (1e9, 4e9, 40e9)]
    assert tiles == sorted(set(tiles))
    box = Box.of_shape((250, 250, 250))
    assert len(TileGrid(box, *tile_for(box, (33, 33, 33), 2, 1e12))) >= 2
    assert len(TileGrid(box, *tile_for(box, (33, 33, 33), 1, 1e12))) == 1
