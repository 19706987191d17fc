"""All kinds of studies, by the name that the command line has for them."""

from __future__ import annotations

from workflows.studies import batch_size, curves, learning_rate, strong_scaling, throughput
from workflows.studies.design import Design

DESIGNS: dict[str, Design] = {
    "strong-scaling": strong_scaling.DESIGN,
    "learning-rate": learning_rate.DESIGN,
    "batch-size": batch_size.DESIGN,
    "curves": curves.DESIGN,
    "throughput": throughput.DESIGN,
}
