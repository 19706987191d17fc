"""Choose the rule of agglomeration by labelled boxes, and tell what it does where it was not chosen."""

from pipeline.calibration.boxes import LabelledBox, LabelledRun, labelled_run
from pipeline.calibration.choice import HeldOut, Tried, candidates, choose, cross_validate, try_out

__all__ = [
    "HeldOut",
    "LabelledBox",
    "LabelledRun",
    "Tried",
    "candidates",
    "choose",
    "cross_validate",
    "labelled_run",
    "try_out",
]
