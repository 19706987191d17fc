"""What joins and cuts do to ids, by laws and on small graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.reconciliation.components import first_connected, numbered
from pipeline.reconciliation.correcting import Became, Joins, corrected_ids
from pipeline.settings.corrections import Correction, Kind

ROWS = 12
ROW = st.integers(0, ROWS - 1)


def corrections(*kinds: Kind) -> list[Correction]:
    return [Correction(kind, (0, 0, n), (1, 0, n), f"line {n + 2}") for n, kind in enumerate(kinds)]


def joins(*edges: tuple[int, int, int]) -> Joins:
    return Joins(*np.array(edges, np.int64).reshape(-1, 3).T)


def ids_of(made: Joins, rows: int = ROWS) -> np.ndarray:
    return numbered(first_connected(rows, made.a, made.b))


def corrected(
    made: Joins, *wanted: tuple[Kind, int, int], rows: int = ROWS
) -> tuple[list[int], list[Became]]:
    kinds, ends = [w[0] for w in wanted], np.array([w[1:] for w in wanted], np.int64).reshape(-1, 2)
    ids, became = corrected_ids(ids_of(made, rows), made, corrections(*kinds), ends)
    assert ids.dtype == np.uint64
    return ids.tolist(), became


CHAIN = joins((0, 1, 50), (1, 2, 9), (2, 3, 50), (4, 5, 7))
"""Rows 0 to 3 are segment 1, 4 and 5 are 2, 6 is 3."""


def test_a_cut_goes_through_the_weakest_join_and_what_is_cut_off_gets_a_new_id() -> None:
    assert corrected(CHAIN, ("cut", 0, 3), rows=7) == ([1, 1, 4, 4, 2, 2, 3], [Became.CUT])


def test_a_join_gives_both_the_smaller_id_and_leaves_all_others() -> None:
    assert corrected(CHAIN, ("join", 6, 5), rows=7) == ([1, 1, 1, 1, 2, 2, 2], [Became.JOINED])


def test_a_part_that_is_cut_off_may_be_joined_elsewhere() -> None:
    wanted: list[tuple[Kind, int, int]] = [("join", 3, 4), ("cut", 0, 3)]
    assert corrected(CHAIN, *wanted, rows=7) == ([1, 1, 2, 2, 2, 2, 3], [Became.JOINED, Became.CUT])


def test_what_a_person_joins_is_not_cut_though_its_evidence_is_the_weakest() -> None:
    wanted: list[tuple[Kind, int, int]] = [("cut", 0, 3), ("join", 1, 2)]
    ids, became = corrected(CHAIN, *wanted, rows=7)
    assert became == [Became.CUT, Became.ONE_ALREADY]
    assert ids[1] == ids[2]
    assert ids[0] != ids[3]


def test_two_joins_of_half_the_strength_weigh_as_much_as_one() -> None:
    ring = joins((0, 1, 6), (0, 2, 6), (1, 3, 5), (2, 3, 8))
    ids, _ = corrected(ring, ("cut", 0, 3), rows=4)
    assert len(set(ids)) == 2
    parted = sum(shared for a, b, shared in zip(ring.a, ring.b, ring.shared) if ids[a] != ids[b])
    assert parted == 11  # 6 + 5: no other two of them share so few


def test_what_is_so_already_or_cannot_be_is_told() -> None:
    wanted: list[tuple[Kind, int, int]] = [("join", 0, 3), ("cut", 0, 4), ("cut", 6, 6)]
    ids, became = corrected(CHAIN, *wanted, rows=7)
    assert became == [Became.ONE_ALREADY, Became.APART_ALREADY, Became.ONE_TILE_SEGMENT]
    assert ids == ids_of(CHAIN, 7).tolist()


def test_what_joins_before_it_have_made_one_is_one_already() -> None:
    wanted: list[tuple[Kind, int, int]] = [("join", 0, 4), ("join", 4, 0), ("join", 4, 6), ("join", 6, 0)]
    one, made = Became.ONE_ALREADY, Became.JOINED
    assert corrected(CHAIN, *wanted, rows=7) == ([1] * 7, [made, one, made, one])


@pytest.mark.parametrize("cut", [("cut", 0, 6), ("cut", 6, 5)])
def test_joins_that_connect_what_is_to_be_cut_are_one_error_that_names_both(
    cut: tuple[Kind, int, int],
) -> None:
    with pytest.raises(InputError, match=r"line 5: cut .* but joins .*line 2: join .*line 3: join") as error:
        corrected(CHAIN, ("join", 0, 5), ("join", 6, 5), ("join", 3, 6), cut, rows=7)
    assert "\n" not in str(error.value)


@given(
    edges=st.lists(st.tuples(ROW, ROW, st.integers(1, 99)).filter(lambda e: e[0] != e[1]), max_size=20),
    wanted=st.lists(st.tuples(st.sampled_from(["join", "cut"]), ROW, ROW), max_size=6),
)
def test_after_corrections_joined_points_are_one_and_cut_points_are_not(
    edges: list[tuple[int, int, int]], wanted: list[tuple[Kind, int, int]]
) -> None:
    made = joins(*edges)
    before = ids_of(made)
    try:
        ids, became = corrected(made, *wanted)
    except InputError:
        links = [(a, b) for kind, a, b in wanted if kind == "join"]
        first = first_connected(ROWS, *np.array(links, int).reshape(-1, 2).T)
        assert any(kind == "cut" and a != b and first[a] == first[b] for kind, a, b in wanted)
        return
    for (kind, a, b), what in zip(wanted, became):
        assert (ids[a] == ids[b]) == (kind == "join" or a == b)
        assert what.is_made == (kind == "join" or a != b)
    named = np.isin(before, before[[row for _, *two in wanted for row in two]])
    assert np.array_equal(np.array(ids)[~named], before[~named])
    parted = {(a, b) for a, b in zip(made.a, made.b) if ids[a] != ids[b]}
    assert not parted or Became.CUT in became
    assert set(before.tolist()) >= {i for i in ids if i <= before.max()}


@given(
    edges=st.lists(st.tuples(ROW, ROW, st.integers(1, 99)).filter(lambda e: e[0] != e[1]), max_size=20),
    wanted=st.lists(st.tuples(st.sampled_from(["join", "cut"]), ROW, ROW), min_size=1, max_size=6),
)
def test_a_line_that_is_added_changes_no_id_of_objects_that_it_is_not_about(
    edges: list[tuple[int, int, int]], wanted: list[tuple[Kind, int, int]]
) -> None:
    """Nor of what is cut from these. What joins make one with a point of the line is its object."""
    made = joins(*edges)
    try:
        whole, _ = corrected(made, *(line for line in wanted if line[0] == "join"))
        (before, _), (after, _) = (corrected(made, *lines) for lines in (wanted[:-1], wanted))
    except InputError:
        return
    _, *ends = wanted[-1]
    ours = {whole[end] for end in ends}
    others = [row for row, was in enumerate(whole) if was not in ours]
    assert [after[row] for row in others] == [before[row] for row in others]


def test_without_corrections_nothing_changes() -> None:
    assert corrected(CHAIN, rows=7) == (ids_of(CHAIN, 7).tolist(), [])
