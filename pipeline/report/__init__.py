"""What a person reads when a run is done, or failed: one page, with its pictures, and its JSON twin.

`facts` gathers everything from the run folder into one object, `slices` and `objects` draw, `page` puts them
into one file. The page shows no number that is not in the JSON.
"""

from pipeline.report.stage import (
    facts_target,
    page_target,
    write_alignment_report,
    write_facts,
    write_page,
    write_report_now,
)

__all__ = [
    "facts_target",
    "page_target",
    "write_alignment_report",
    "write_facts",
    "write_page",
    "write_report_now",
]
