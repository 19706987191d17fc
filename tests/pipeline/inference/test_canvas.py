"""Canvas: flood filling with scripted networks, whose answers are known."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest
from flooding_by_definition import flood_all
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.config import Inference
from pipeline.geometry import Triple
from pipeline.inference.canvas import Canvas, NotFinite

FOV = (7, 7, 7)
DELTAS = (2, 2, 2)
SETTINGS = Inference(min_segment_voxels=20)


def run_canvas(
    image: np.ndarray,
    seeds: Sequence[Triple],
    network: Callable[[np.ndarray], np.ndarray],
    settings: Inference = SETTINGS,
) -> tuple[Canvas, int]:
    """Segment with `network` answering; returns the canvas and the number of calls."""
    canvas = Canvas(image.astype(np.float32), FOV, DELTAS, settings)
    return canvas, flood(canvas, seeds, network)


def flood(
    canvas: Canvas,
    seeds: Sequence[Triple],
    network: Callable[[np.ndarray], np.ndarray],
    most_calls: float = float("inf"),
) -> int:
    """Segment with `network` answering, until the seeds or the calls run out; returns the calls made."""
    fov = np.empty((*FOV, 2), np.float32)
    calls = 0
    with suppress(StopIteration):
        requests = canvas.segment(seeds, fov)
        next(requests)
        while calls < most_calls:
            calls += 1
            requests.send(network(fov))
    return calls


INSIDE = (4 - 0.1 * np.linalg.norm(np.indices(FOV) - 3, axis=0)).astype(np.float32)
"""Logits that say yes everywhere, and most at the centre, so that the strongest of a face is its middle."""


def same_value_network(fov: np.ndarray) -> np.ndarray:
    """A perfect network for an image whose grey value is the object's label."""
    return np.where(fov[..., 0] == fov[3, 3, 3, 0], INSIDE, np.float32(-4)) - fov[..., 1]


def restless_network(fov: np.ndarray) -> np.ndarray:
    """An erratic network: blurs the POM, likes bright voxels, and changes its mind."""
    blurred = ndimage.uniform_filter(fov[..., 1], 3, mode="nearest")
    return (0.5 * blurred + 3 * fov[..., 0] + 0.7 - fov[..., 1] * 0.6).astype(np.float32)


def two_slabs() -> np.ndarray:
    image = np.ones((15, 15, 30))
    image[:, :, 14:] = 2
    return image


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), boundary=st.integers(0, 2), smallest=st.sampled_from([1, 30, 200]))
def test_canvas_does_what_the_rules_written_out_do(seed: int, boundary: int, smallest: int) -> None:
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.standard_normal((16, 17, 18)), 1.5)
    image = (image / image.std()).astype(np.float32)
    seeds = [(int(z), int(y), int(x)) for z, y, x in rng.integers(0, image.shape, (12, 3))]
    chosen = Inference(min_segment_voxels=smallest, min_boundary_dist=(boundary, boundary, boundary))
    canvas, _ = run_canvas(image, seeds, restless_network, chosen)
    labels, calls = flood_all(image, seeds, restless_network, FOV, DELTAS, chosen)
    np.testing.assert_array_equal(canvas.segmentation, labels)
    assert [segment.calls for segment in canvas.segments] == calls


def test_the_restless_network_finds_objects_so_that_comparing_with_it_means_something() -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((16, 17, 18)), 1.5)
    canvas, calls = run_canvas(image / image.std(), [(8, 8, 8), (5, 5, 12)], restless_network)
    assert calls > 5
    assert canvas.segments


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), boundary=st.integers(0, 2))
def test_a_canvas_stopped_after_any_call_goes_on_to_the_same_end(seed: int, boundary: int) -> None:
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.standard_normal((16, 17, 18)), 1.5)
    image = (image / image.std()).astype(np.float32)
    seeds = [(int(z), int(y), int(x)) for z, y, x in rng.integers(3, 13, (12, 3))]
    chosen = Inference(min_segment_voxels=30, min_boundary_dist=(boundary, boundary, boundary))
    undisturbed, calls = run_canvas(image, seeds, restless_network, chosen)
    for stop in range(calls + 1):
        stopped = Canvas(image, FOV, DELTAS, chosen)
        flood(stopped, seeds, restless_network, stop)
        resumed = Canvas(image, FOV, DELTAS, chosen)
        resumed.restore(copy.deepcopy(stopped.state))
        more = flood(resumed, seeds[resumed.seeds_done :], restless_network)
        np.testing.assert_array_equal(resumed.segmentation, undisturbed.segmentation)
        assert resumed.segments == undisturbed.segments
        assert resumed.seeds_done == len(seeds)
        assert resumed.calls == calls == stopped.calls + more


def test_objects_are_found_whole_and_numbered_in_order_of_their_seeds() -> None:
    canvas, _ = run_canvas(two_slabs(), [(7, 7, 20), (7, 7, 5)], same_value_network)
    np.testing.assert_array_equal(canvas.segmentation, np.where(two_slabs() == 2, 1, 2))
    assert [s.voxels for s in canvas.segments] == [15 * 15 * 16, 15 * 15 * 14]
    assert [s.seed for s in canvas.segments] == [(7, 7, 20), (7, 7, 5)]


def test_seeds_are_settled_when_they_were_tried_or_lie_in_an_object_even_in_that_in_hand() -> None:
    """By those tried alone a tile seems to be at its beginning while its first, large object is flooded."""
    seeds = [(7, 7, 20), (7, 7, 5), (0, 7, 25), (7, 8, 24), (8, 8, 8)]
    canvas = Canvas(two_slabs().astype(np.float32), FOV, DELTAS, SETTINGS)
    assert canvas.settled(np.array(seeds)).tolist() == [False] * 4, "no FOV fits around the third"
    settled = []
    for most_calls in (1, 40, 1000):
        canvas = Canvas(two_slabs().astype(np.float32), FOV, DELTAS, SETTINGS)
        flood(canvas, seeds, same_value_network, most_calls)
        settled.append(canvas.settled(np.array(seeds)).tolist())
    assert settled == [[True, False, False, False], [True, False, True, False], [True] * 4]


def test_an_object_does_not_take_voxels_of_an_earlier_one() -> None:
    def greedy(fov: np.ndarray) -> np.ndarray:
        return INSIDE - fov[..., 1]

    image = two_slabs()
    canvas, _ = run_canvas(image, [(7, 7, 20)], same_value_network)
    before = canvas.segmentation.copy()
    flood(canvas, [(7, 7, 5)], greedy)
    np.testing.assert_array_equal(canvas.segmentation[before == 1], 1)
    np.testing.assert_array_equal(canvas.segmentation[before == 0], 2)


def test_a_seed_that_the_network_rejects_is_excluded_after_one_call() -> None:
    canvas, calls = run_canvas(np.zeros((9, 9, 9)), [(4, 4, 4)], lambda fov: np.full(FOV, -9, np.float32))
    assert calls == canvas.calls == 1
    assert not canvas.segments
    assert canvas.segmentation[4, 4, 4] == -1
    assert np.count_nonzero(canvas.segmentation) == 1


def test_flooding_stops_as_soon_as_the_seed_falls_out_of_its_object() -> None:
    answers = 0

    def turning_away(fov: np.ndarray) -> np.ndarray:
        nonlocal answers
        answers += 1
        return np.full(FOV, 5 if answers == 1 else -5, np.float32) - fov[..., 1]

    canvas, calls = run_canvas(np.zeros((25, 25, 25)), [(12, 12, 12)], turning_away)
    assert calls == 2
    assert not canvas.segments


def test_a_voxel_once_outside_may_not_come_back() -> None:
    outside = (3, 3, 4)
    answers = 0

    def changing_its_mind(fov: np.ndarray) -> np.ndarray:
        nonlocal answers
        answers += 1
        new = INSIDE.copy()
        if answers == 1:
            new[outside] = -1
        return new - fov[..., 1]

    canvas, calls = run_canvas(np.zeros((15, 15, 15)), [(7, 7, 7)], changing_its_mind)
    assert calls > 1
    hole = tuple(7 + o - 3 for o in outside)
    assert canvas.segmentation[hole] == 0
    assert np.count_nonzero(canvas.segmentation == 1) == 15**3 - 1


def test_small_objects_are_dropped_and_their_seed_excluded() -> None:
    image = np.zeros((9, 9, 9))
    image[3:6, 3:6, 3:6] = 1
    at_the_limit, _ = run_canvas(image, [(4, 4, 4)], same_value_network, Inference(min_segment_voxels=27))
    assert [s.voxels for s in at_the_limit.segments] == [27]
    below, _ = run_canvas(image, [(4, 4, 4)], same_value_network, Inference(min_segment_voxels=28))
    assert not below.segments
    assert below.segmentation[4, 4, 4] == -1


@pytest.mark.parametrize("seed", [(2, 7, 7), (7, 12, 7), (7, 7, 14)])
def test_no_call_is_spent_where_the_fov_does_not_fit(seed: Triple) -> None:
    canvas, calls = run_canvas(np.ones((15, 15, 15)), [seed], same_value_network)
    assert calls == 0
    assert not canvas.segmentation.any()


def test_no_call_is_spent_on_seeds_in_or_beside_an_object() -> None:
    seeds = [(7, 7, 20), (7, 7, 22), (7, 7, 13)]
    canvas, calls = run_canvas(two_slabs(), seeds, same_value_network)
    assert calls == canvas.segments[0].calls
    assert canvas.seeds_done == 3
    assert canvas.segmentation[7, 7, 13] == -1, "one voxel from the object at x >= 14"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_no_answer(value: float) -> None:
    def answer(fov: np.ndarray) -> np.ndarray:
        update = same_value_network(fov)
        update[0, 1, 2] = value
        return update

    with pytest.raises(NotFinite) as caught:
        run_canvas(np.ones((20, 20, 20)), [(9, 10, 11)], answer)
    assert caught.value.centre == (9, 10, 11)
