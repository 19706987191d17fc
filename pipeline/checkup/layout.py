"""Whether what is in the run folder lies where this version looks for it."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, skip, warn
from pipeline.old_layout import misplaced
from pipeline.run_folder import Run


def layout(run: Run) -> Finding:
    """Files of an earlier version are not seen before a start has moved them."""
    found = sum(1 for _ in misplaced(run))
    if not found:
        return skip("as this version has it")
    return warn(
        f"{found:,} files lie where earlier versions kept them, and are not seen yet",
        "a start moves them to folders of their own, and what is finished counts",
    )
