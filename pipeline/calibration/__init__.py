"""Choose the rule of agglomeration by labelled boxes, and tell what it does where it was not chosen."""

from pipeline.calibration.boxes import LabelledBox, labelled_boxes
from pipeline.calibration.choice import HeldOut, candidates, choose, cross_validate, variation

__all__ = [
    "HeldOut",
    "LabelledBox",
    "candidates",
    "choose",
    "cross_validate",
    "labelled_boxes",
    "variation",
]
