"""The table of what is finished and what is not, as dry run and status show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from workflows.planning.explain import StageStatus


def stage_table(
    statuses: Sequence[StageStatus], unfinished: str, under_way: Mapping[str, str] | None = None
) -> Table:
    """A row a stage: tasks finished, how many are not (a column named `unfinished`), and why.

    `under_way` says by stage what it is doing, which is shown in place of why.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "finished", unfinished, "why" if under_way is None else ""):
        table.add_column(column, justify="right" if column in ("finished", unfinished) else "left")
    for status in statuses:
        missing = status.tasks - status.finished
        why = "; ".join(reason if n == missing else f"{n}: {reason}" for reason, n in status.reasons)
        said = (under_way or {}).get(status.name, why)
        table.add_row(status.name, f"{status.finished}/{status.tasks}", str(missing or ""), said)
    return table
