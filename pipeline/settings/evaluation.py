"""The section `evaluation` of a run file."""

from __future__ import annotations

from pipeline.settings.fields import BoxField, NaturalInt, NaturalReal, Section

FROM_LABELS = "from_labels"
"""As `skeletons`: they are made, and not read."""


class Evaluation(Section):
    """Scores against the labels, inside `box` (default: all of the inference box that is labelled)."""

    box: BoxField | None = None
    """What is scored; None: what is segmented and labelled, as docs/scores.md says."""
    exclude: BoxField | None = None
    """Voxels that do not count at all. Where `box` is left open and meets the training box: that,
    with a patch around it."""
    within_mask: bool = False
    """Whether voxels where data.mask is 0, or that it does not cover, do not count either."""
    ignore_border_nm: NaturalReal = 0.0
    """Voxels no further than this from a border between labels in their section do not count either, since
    there people disagree: CREMI takes 25. 0: all count."""
    skeletons: str | None = None
    """Traced neurites along which run length is measured: a folder of SWC files, precomputed skeletons or an
    em_erl graph, in nm in the image's coordinates, or NML. A relative path is looked up in data.folder.
    from_labels: made by kimimaro from the labels in `box`."""
    merge_threshold: NaturalInt = 0
    """A segment merges skeletons if it has more nodes than this in each of two."""

    @property
    def makes_skeletons(self) -> bool:
        """Whether they are made from labels; not where nothing is labelled."""
        return self.skeletons == FROM_LABELS and self.box is not None

    @property
    def measures_run_length(self) -> bool:
        """Whether there are skeletons, or will be."""
        return self.makes_skeletons or self.skeletons not in (None, FROM_LABELS)
