"""The table of what is finished and what is not, as dry run and status show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from workflows.planning.explain import StageOutlook


def outlook_table(
    outlooks: Sequence[StageOutlook], unfinished: str, under_way: Mapping[str, str] | None = None
) -> Table:
    """A row a stage: tasks finished, how many are not (a column named `unfinished`), and why.

    `under_way` says by stage what it is doing, which is shown in place of why.
    """
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "finished", unfinished, "why" if under_way is None else ""):
        table.add_column(column, justify="right" if column in ("finished", unfinished) else "left")
    for outlook in outlooks:
        missing = outlook.tasks - outlook.finished
        why = "; ".join(reason if n == missing else f"{n}: {reason}" for reason, n in outlook.reasons)
        said = (under_way or {}).get(outlook.name, why)
        table.add_row(outlook.name, f"{outlook.finished}/{outlook.tasks}", str(missing or ""), said)
    return table
