"""Every study sums up and draws what its points measured."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up import base_run, cut, made_point, made_up

from workflows.studies.design import Sizes
from workflows.studies.designs import DESIGNS
from workflows.studies.drawing import figure
from workflows.studies.measured import Measured
from workflows.studies.results import as_csv, as_markdown

SIZES = Sizes(fovs=1000, ranks=(1, 2, 4), rates=(0.001, 0.002, 0.004))


def measured(kind: str, folder: Path, sizes: Sizes = SIZES) -> list[Measured]:
    """Points that all learn alike; two ranks have 0.9 of twice the speed, four 0.8 of four times it."""
    points = [made_point(folder, varied) for varied in DESIGNS[kind].vary(base_run(folder), sizes)]
    efficiency = {1: 1.0, 2: 0.9, 4: 0.8}
    ranks = [point.run.config.training.ranks for point in points]
    return [made_up(p, 0.9, 10 * n * efficiency[n]) for p, n in zip(points, ranks)]


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_study_has_a_row_for_what_it_compares_and_a_figure_that_is_svg(kind: str, tmp_path: Path) -> None:
    points = measured(kind, tmp_path)
    rows = DESIGNS[kind].table(points, SIZES)
    drawn = ElementTree.fromstring(figure(DESIGNS[kind].panels(points, rows), "a & b"))
    assert drawn.tag.endswith("svg")
    assert len({point.point.name for point in points}) == len(points), "no point is measured twice"
    assert as_markdown(rows).count("\n") == as_csv(rows).count("\n") + 1 == len(rows) + 2


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_study_of_which_one_point_is_left_is_drawn(kind: str, tmp_path: Path) -> None:
    points = measured(kind, tmp_path)[-1:]
    rows = DESIGNS[kind].table(points, SIZES)
    ElementTree.fromstring(figure(DESIGNS[kind].panels(points, rows), ""))


def test_efficiency_and_relative_time_are_against_the_fewest_ranks(tmp_path: Path) -> None:
    rows = DESIGNS["strong-scaling"].table(measured("strong-scaling", tmp_path), SIZES)
    assert [row["efficiency"] for row in rows] == [1.0, 0.9, 0.8]
    assert [row["relative time"] for row in rows] == pytest.approx([1, 1 / 1.8, 1 / 3.2], abs=2e-3)


def test_both_laws_start_from_the_best_rate_of_the_fewest_ranks(tmp_path: Path) -> None:
    points = measured("learning-rate", tmp_path)
    points[1] = made_up(points[1].point, 0.95, 10)
    rows = DESIGNS["learning-rate"].table(points, SIZES)
    by_law = {(row["ranks"], row["rate"]): row["by law"] for row in rows if row["by law"]}
    assert by_law == {(1, 0.002): "linear, sqrt", (2, 0.004): "linear", (4, 0.004): "sqrt"}


def test_the_band_is_the_spread_of_the_repeats(tmp_path: Path) -> None:
    points = [made_point(tmp_path, {"seed": seed}) for seed in (1, 2)]
    apart = [made_up(points[0], 0.8, 10), made_up(points[1], 0.6, 10)]
    last = DESIGNS["curves"].table(apart, SIZES)[-1]
    a, b = (point.curve.smoothed("f1")[-1] for point in apart)
    assert last["f1"] == pytest.approx((a + b) / 2, abs=1e-4)
    assert last["f1 sigma"] == pytest.approx((a - b) / 2, abs=1e-4)
    [alone, *_] = rows = DESIGNS["curves"].table(apart[:1], SIZES)
    assert (alone["repeats"], alone["f1 sigma"]) == (1, None), "one training says nothing of a spread"
    assert "polygon" not in figure(DESIGNS["curves"].panels(apart[:1], rows), "")


def test_a_training_without_scores_at_its_end_has_none_there(tmp_path: Path) -> None:
    """Of one whose examples ended early that is not how it ended, and no accuracy is 0."""
    for kind, columns in (("batch-size", {"F1 at the end"}), ("learning-rate", {"accuracy", "F1"})):
        points = measured(kind, tmp_path)
        for part in (slice(0, 5), slice(0, 0)):
            rows = DESIGNS[kind].table([*points[:-1], cut(points[-1], part)], SIZES)
            assert {name: rows[-1][name] for name in columns} == dict.fromkeys(columns)
            assert None not in [rows[0][name] for name in columns]
            ElementTree.fromstring(figure(DESIGNS[kind].panels(points, rows), ""))


def test_where_no_training_has_a_score_no_rate_is_the_best(tmp_path: Path) -> None:
    """As of trainings that are shorter than one example."""
    points, design = measured("learning-rate", tmp_path), DESIGNS["learning-rate"]
    fewest = min(point.point.run.config.training.ranks for point in points)
    for without in (lambda ranks: True, lambda ranks: ranks == fewest):
        some = [cut(p, slice(0, 0)) if without(p.point.run.config.training.ranks) else p for p in points]
        rows = design.table(some, SIZES)
        assert {row["by law"] for row in rows} == {""}
        best = {row["ranks"] for row in rows if row["best of its ranks"]}
        assert best == {row["ranks"] for row in rows if not without(row["ranks"])}
        assert "law" not in figure(design.panels(some, rows), "")


def test_an_f1_that_one_point_never_had_is_reached_by_none(tmp_path: Path) -> None:
    """All have reached 0: the time to that said nothing of the others."""
    points = measured("strong-scaling", tmp_path)
    rows = DESIGNS["strong-scaling"].table([*points[:-1], cut(points[-1], slice(0, 0))], SIZES)
    assert {(row["F1 to reach"], row["s to that F1"], row["relative time"]) for row in rows} == {
        (0.0, None, None)
    }


def test_curves_that_share_no_fovs_are_not_drawn_beyond_their_ends(tmp_path: Path) -> None:
    early, late = (made_up(made_point(tmp_path, {"seed": seed}), 0.9, 10) for seed in (1, 2))
    design = DESIGNS["curves"]
    rows = design.table([cut(early, slice(0, 5)), cut(late, slice(10, 20))], SIZES)
    assert rows == []
    ElementTree.fromstring(figure(design.panels([early, late], rows), ""))
    [row] = design.table([cut(early, slice(0, 6)), cut(late, slice(5, 20))], SIZES)
    assert (row["FOVs"], row["repeats"]) == (300, 2)
