"""Counted: a comparison of two volumes after its blocks were counted, and what is read from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.evaluation.bootstrap import Drawn, differences, draw, intervals, less
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.conventions import BoxCounts, score
from pipeline.evaluation.differing import differing
from pipeline.evaluation.kept_counts import KeptCounts
from pipeline.evaluation.points import located
from pipeline.evaluation.worst import Wrong, worst


@dataclass(frozen=True)
class Counted:
    """One segmentation against a truth. `kept` has the counts of all blocks of its box."""

    comparison: Comparison
    kept: KeptCounts

    @cached_property
    def parts(self) -> list[BoxCounts]:
        """Of the parts that are counted apart."""
        return self.kept.parts()

    @cached_property
    def total(self) -> BoxCounts:
        return BoxCounts.total(self.parts)

    @cached_property
    def drawn(self) -> Drawn:
        return draw(self.parts)

    def intervals(self) -> dict[str, Any]:
        """In which intervals 95% of draws lie, of what."""
        return {"boxes": len(self.parts), "box_shape": self.kept.part, **intervals(self.drawn)}

    def worst(self, most: int) -> list[Wrong]:
        """The `most` costliest errors, with their points. Raises InputError as reading does."""
        return self.located(worst(self.total.as_is, most))

    def located(self, wrongs: Sequence[Wrong]) -> list[Wrong]:
        """The same with their points. Raises InputError as reading does."""
        segmentation, _ = self.comparison.open()
        read_truth = self.comparison.read_counted_truth
        return located(wrongs, self.kept.by_block(), segmentation.read, read_truth, self.kept.box)

    def beside(self, first: Counted, most: int) -> dict[str, Any]:
        """How this one differs from the `first`, of the same box and truth, as a JSON file holds it.

        `scores` are what its scores are more, `intervals_95` in which intervals 95% of draws lie, of which
        each takes the same boxes of both; `objects` the true ones that cost most more in one of the two.
        Raises InputError as reading does.
        """
        objects = differing(first.total.as_is, self.total.as_is, most)
        points: dict[int, Wrong] = {}
        for counted, is_first in ((first, True), (self, False)):
            own = [number for number, found in enumerate(objects) if found.is_worse_in_first == is_first]
            points |= zip(own, counted.located([objects[number].wrong for number in own]))
        return {
            "first": first.comparison.name,
            "scores": less(score(self.total), score(first.total)),
            "intervals_95": differences(first.drawn, self.drawn),
            "objects": [
                {
                    "object": found.truth,
                    "bits_in_first": found.bits_in_first,
                    "bits": found.bits,
                    "worse_in": (first if found.is_worse_in_first else self).comparison.name,
                    "error": points[number].as_dict(),
                }
                for number, found in enumerate(objects)
            ],
        }
