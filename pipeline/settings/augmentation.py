"""The section `training.augmentation` of a run file: how the patches of examples are changed at random."""

from __future__ import annotations

from pipeline.settings.fields import NaturalReal, PositiveFinite, PositiveInt, Section, Share


class Augmentation(Section):
    """What of serial sections a training is to meet more often than its volumes have it.

    Sections lie across z. Every example is changed anew, as the seed and its number decide. Axes are turned
    and mirrored in any case.
    """

    contrast: Share = 0.0
    """By what part of it the contrast of each section is changed, at most."""
    brightness: NaturalReal = 0.0
    """By how many standard deviations of the image each section is made darker or lighter, at most."""
    missing: Share = 0.0
    """Part of the sections that are black, as what the image lacks is read; their labels stay."""
    shifted: Share = 0.0
    """Part of the sections that lie beside their place, and their labels with them."""
    max_shift: PositiveInt = 4
    """Voxels along y and x, at most, of those that are shifted."""
    blurred: Share = 0.0
    """Part of the sections that are out of focus."""
    max_blur: PositiveFinite = 2.0
    """Standard deviation of their blur in voxels, at most."""
    elastic: NaturalReal = 0.0
    """Voxels by which points 16 voxels apart are moved within their sections, at most, with all between them
    bent: the only change that takes time."""
    turn_z: bool = True
    """Whether z may become y or x, where FOV and deltas are as large along them; false where sections are
    thicker than their voxels are wide."""

    @property
    def changes_voxels(self) -> bool:
        """Whether it does more than to turn."""
        return any((self.contrast, self.brightness, self.missing, self.shifted, self.blurred, self.elastic))

    @property
    def used(self) -> Augmentation:
        """The same changes, with how large they are at most as by default where there are none."""
        unused = {"max_shift": self.shifted, "max_blur": self.blurred}
        defaults = {
            name: type(self).model_fields[name].default for name, share in unused.items() if not share
        }
        return self.model_copy(update=defaults)
