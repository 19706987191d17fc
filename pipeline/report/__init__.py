"""What a person reads when a run is done, or failed: one page, with its pictures, and its JSON twin.

`facts` gathers everything from the run folder into one object, `slices` and `objects` draw, `page` puts them
into one file. The page shows no number that is not in the JSON.
"""

from pipeline.report.stage import report_target, write_report, write_report_now

__all__ = ["report_target", "write_report", "write_report_now"]
