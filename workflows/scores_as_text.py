"""Scores as a person reads them: every figure with its convention, and with what it takes to trust it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.evaluation.conventions import CONVENTIONS
from pipeline.wording import counted
from workflows.output import whole

COLUMNS = {
    "ARE": "are",
    "Rand F": "rand_f_score",
    "precision": "precision",
    "recall": "recall",
    "VOI split": "voi_split",
    "VOI merge": "voi_merge",
}
"""What the columns of a table of scores are called, and how `metrics.json` names them."""


def print_scores(name: str, found: dict[str, Any], console: Console) -> None:
    """The figures of one segmentation, as `workflows.evaluate` finds them."""
    table = _table_of_scores("scores by convention", COLUMNS)
    for convention in CONVENTIONS:
        scores, spread = found["scores"][convention], found["intervals_95"][convention]
        table.add_row(convention, *(_value(scores[key]) for key in COLUMNS.values()))
        if found["intervals_95"]["boxes"] > 1:
            table.add_row(
                "  in 95% of draws", *(_interval(spread[key]) for key in COLUMNS.values()), style="dim"
            )
    drawn = found["intervals_95"]
    boxes, shape = drawn["boxes"], " x ".join(map(str, drawn["box_shape"]))
    draws = f"of {boxes} boxes of {shape} voxels, with replacement" if boxes > 1 else "none: there is one box"
    console.print(f"\n{name}", style="bold", highlight=False, soft_wrap=True, markup=False)
    console.print(whole(table), soft_wrap=True)
    console.print(
        f"box           {found['box']}, {counted(found['voxels'], 'voxel')}",
        *lines_beside(found["scores"], found),
        f"draws         {draws}",
        *(run_length_lines(found["run_length"]) if "run_length" in found else []),
        sep="\n",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    _print_worst(found["worst"], console)
    for doubt in found["doubts"]:
        console.print(
            f"WARNING       {doubt}", style="bold red", highlight=False, soft_wrap=True, markup=False
        )


def print_beside(name: str, found: dict[str, Any], console: Console) -> None:
    """What the scores of one segmentation are more than those of the first, and where the two differ."""
    columns = {column: key for column, key in COLUMNS.items() if key != "rand_f_score"}  # as ARE, turned
    table = _table_of_scores("more than the first", columns)
    for convention in CONVENTIONS:
        more, spread = found["scores"][convention], found["intervals_95"][convention]
        table.add_row(convention, *(_signed(more[key]) for key in columns.values()))
        if any(spread.values()):
            draws = (_signed_interval(spread[key]) for key in columns.values())
            table.add_row("  in 95% of draws", *draws, style="dim")
    for line in (f"\n{name}", f"beside {found['first']}"):
        console.print(line, style="bold", highlight=False, soft_wrap=True, markup=False)
    console.print(whole(table), soft_wrap=True)
    if not found["objects"]:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("differ most", no_wrap=True)
    for column in ("bits in first", "bits", "look at z, y, x"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("what is wrong there")
    for of in found["objects"]:
        error, where = of["error"], "the first" if of["worse_in"] == found["first"] else "this one"
        bits = (f"{of[key]:.4f}" for key in ("bits_in_first", "bits"))
        table.add_row(str(of["object"]), *bits, _point(error), f"in {where}: {error['what']}")
    console.print(whole(table), soft_wrap=True)


def lines_beside(scores: dict[str, Any], shares: dict[str, Any]) -> list[str]:
    """What belongs beside a table of scores: CREMI's, the coverage, and how much of the truth was scored."""
    cremi = scores["cremi"]
    left_out = f", {_share(shares['left_out_share'])} left out" if shares["left_out_share"] else ""
    if "ignore_border_nm" in shares:
        left_out += f", with what lies within {shares['ignore_border_nm']:g} nm of a border in its section"
    lines = [
        f"CREMI         {_value(cremi['score'])}, from ARE {_value(cremi['are'])}, VOI split "
        f"{_value(cremi['voi_split'])} and merge {_value(cremi['voi_merge'])} in its convention",
        f"coverage      {_share(scores['coverage'])} of what counts is segmented",
        f"truth         {_share(shares['labelled_share'])} of the box is labelled and scored, "
        f"{_share(shares['ignored_share'])} is to be ignored{left_out}",
    ]
    if "unfilled_share" in shares:
        far = _share(shares["unfilled_share"])
        lines.append(f"unfilled      {far} of the box is too far from any segment, and blank in `filled` too")
    return lines


def _table_of_scores(title: str, columns: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _print_worst(wrongs: list[dict[str, Any]], console: Console) -> None:
    """A line for each of the costliest errors, with the point to look at."""
    if not wrongs:
        return
    table = Table(box=None, pad_edge=False)
    for column, justify in (("costliest errors", "left"), ("bits", "right"), ("voxels", "right")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("look at z, y, x", justify="right", no_wrap=True)
    table.add_column("what is wrong there")
    for wrong in wrongs:
        bits, voxels = f"{wrong['bits']:.4f}", f"{wrong['voxels']:,}"
        table.add_row(wrong["kind"], bits, voxels, _point(wrong), wrong["what"])
    console.print(whole(table), soft_wrap=True)


def run_length_lines(found: dict[str, Any]) -> list[str]:
    """Expected run length, its convention, and what it is made of."""
    voxel = " x ".join(f"{n:g}" for n in found["voxel_size_nm"])
    lines = [
        f"run length    ERL {_erl(found)}; {counted(found['skeletons'], 'skeleton')} of "
        f"{_um(found['length_nm'])}, voxels of {voxel} nm; "
        f"a segment merges from {counted(found['merge_threshold_nodes'] + 1, 'node')} in each of two on",
        f"errors        {found['splits']:,} of {counted(found['edges'], 'edge')} split, "
        f"{found['omitted']:,} omitted; {_mergers(found)}",
    ]
    if "agglomerated" in found:
        of = found["agglomerated"]
        lines.append(
            f"agglomerated  ERL {_erl(of)}; {of['splits']:,} split, {of['omitted']:,} omitted; {_mergers(of)}"
        )
    if "traced" in found:
        lines.append(f"skeletons     {found['traced']['what']}")
    if found["worst"]:
        first = found["worst"][0]
        place = ", ".join(map(str, first["point"]))
        lines.append(
            f"the first     {first['kind']} along {' and '.join(first['skeletons'])} at {place} (z, y, x), "
            f"{_um(first['erl_nm'])} of ERL"
        )
    if found["length_outside_nm"]:
        lines.append(f"outside       {_um(found['length_outside_nm'])} of skeleton, which does not count")
    return lines


def _mergers(found: dict[str, Any]) -> str:
    merge = "merges" if found["mergers"] == 1 else "merge"
    return f"{counted(found['mergers'], 'segment')} {merge} {counted(found['merged_skeletons'], 'skeleton')}"


def _erl(found: dict[str, Any]) -> str:
    erl = "undefined" if found["erl_nm"] is None else _um(found["erl_nm"])
    return erl if found["nerl"] is None else f"{erl}, NERL {found['nerl']:.4f}"


def _um(length_nm: float) -> str:
    return f"{length_nm / 1e3:.4g} um"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 4) + 0.0:+.4f}"  # no -0.0000


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.2f}-{interval[1]:.2f}"


def _signed_interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else " to ".join(f"{round(end, 3) + 0.0:+.3f}" for end in interval)


def _point(wrong: dict[str, Any]) -> str:
    return ", ".join(map(str, wrong["point"])) if wrong["point"] else "?"


def _share(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.1%}"
