"""Several settings on one box: one table of what each costs and how well it segments."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.settings.presets import PRESETS


def of_preset(preset: str) -> list[str]:
    """The changes to a run file by which a preset alone chooses deltas and precision."""
    return [f"inference.preset={preset}", "inference.deltas=null", "inference.precision=auto"]


PRESET_VARIANTS = [" ".join(of_preset(preset)) for preset in PRESETS]
CONVENTIONS = ("gt_foreground", "filled", "both_foreground")


def print_table(rows: list[tuple[str, dict[str, Any]]], console: Console) -> None:
    """One row for each variant: its name, and the figures that `inference.report` gave."""
    table = Table(box=None, pad_edge=False)
    table.add_column("settings")
    for name in ("voxels/s", "calls", "FOV/s", "network", "overlap", "rejected", "coverage"):
        table.add_column(name, justify="right")
    for convention in CONVENTIONS:
        table.add_column(f"{convention}\nARE, VOI split + merge", justify="right")
    for name, found in rows:
        table.add_row(
            name,
            f"{found['voxels_per_s']:,.0f}",
            f"{found['calls']:,}",
            f"{found['calls_per_s']:.2f}",
            f"{found['network_share']:.1%}",
            f"{found['overlap_factor']:.2f}",
            f"{found['rejected_share']:.1%}",
            *_scores(found["scores"]),
        )
    console.print(table, soft_wrap=True)


def _scores(scores: dict[str, Any] | None) -> list[str]:
    if scores is None:
        return ["-"] * (1 + len(CONVENTIONS))
    cells = [f"{scores['coverage']:.3f}"]
    for convention in CONVENTIONS:
        found = scores[convention]
        cells.append(f"{found['are']:.4f}, {found['voi_split']:.3f} + {found['voi_merge']:.3f}")
    return cells
