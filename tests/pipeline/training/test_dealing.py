"""Every coordinate is dealt once an epoch, to one rank, however many ranks there are and when they change."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.dealing import Deal, Dealer, coordinate_at

ROUNDS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), min_size=1, max_size=8)
"""How many examples each rank takes, round by round, with other ranks in each."""
SEEDS = st.integers(0, 2**32 - 1)


@given(ROUNDS, st.integers(1, 13), SEEDS)
def test_nothing_is_dealt_twice_nor_lost(rounds: list[list[int]], coordinates: int, seed: int) -> None:
    deal, dealt = Deal(), list[int]()
    for taken in rounds:
        for rank, count in enumerate(taken):
            dealt += [deal.place(rank + turn * len(taken)) for turn in range(count)]
        deal = deal.after(taken)
        assert len(set(dealt)) == len(dealt)
        assert set(dealt) | set(deal.passed_over) == set(range(deal.frontier))
        assert not set(dealt) & set(deal.passed_over)
    whole_epochs = deal.frontier // coordinates
    shown = Counter(coordinate_at(place, coordinates, seed) for place in range(whole_epochs * coordinates))
    assert set(shown.values()) <= {whole_epochs}
    assert len(shown) == (coordinates if whole_epochs else 0)


@given(ROUNDS)
def test_what_was_passed_over_comes_first(rounds: list[list[int]]) -> None:
    deal = Deal()
    for taken in rounds:
        before, deal = deal, deal.after(taken)
        if deal.passed_over:
            assert deal.place(0) == deal.passed_over[0] < deal.frontier
        assert deal.frontier >= before.frontier
        assert list(deal.passed_over) == sorted(deal.passed_over)


@given(st.integers(1, 6), st.integers(1, 20), SEEDS)
def test_ranks_that_take_alike_share_an_epoch(ranks: int, each: int, seed: int) -> None:
    coordinates = ranks * each
    dealers = [Dealer(Deal(), rank, ranks, coordinates, seed) for rank in range(ranks)]
    for _ in range(2):  # epochs
        taken = [dealer.take() for dealer in dealers for _ in range(each)]
        assert sorted(taken) == list(range(coordinates))
    assert Deal().after([dealer.taken for dealer in dealers]) == Deal((), 2 * coordinates)


@given(st.integers(0, 30), SEEDS)
def test_a_dealer_that_goes_on_takes_what_the_first_would_have(taken: int, seed: int) -> None:
    first, second = (Dealer(Deal((3, 5), 8), 1, 2, 7, seed, count) for count in (0, taken))
    row = [first.take() for _ in range(taken + 5)]
    assert [second.take() for _ in range(5)] == row[taken:]


def test_epochs_have_orders_of_their_own_by_the_seed() -> None:
    orders = {
        tuple(coordinate_at(epoch * 50 + index, 50, seed) for index in range(50))
        for epoch in range(3)
        for seed in range(3)
    }
    assert len(orders) == 9
