"""One of `training.volumes`: a volume on which the network is trained beside the run's own."""

from __future__ import annotations

from pydantic import model_validator

from pipeline.settings.data import SECTIONS, Data
from pipeline.settings.fields import BoxField, PositiveFinite, Section


class OtherVolume(Section):
    """A labelled volume, with a box, a normalisation and a weight of its own."""

    data: Data = Data()
    """As in the run's own section; without a folder its paths are looked up where the run's are."""
    box: BoxField | None = None
    """Where the network learns, in this volume's coordinates; None: all that is labelled."""
    weight: PositiveFinite = 1.0
    """Coordinates that are drawn here, beside `training.weight` in the run's own volume."""

    @model_validator(mode="after")
    def _is_labelled(self) -> OtherVolume:
        made = "phantom" in (self.data.image, self.data.labels) or self.data.image == SECTIONS
        if made or self.data.labels is None:
            raise ValueError(
                f"data.image is {self.data.image} and data.labels {self.data.labels}: name a volume for "
                "each; phantoms and sections are for the run's own"
            )
        if self.data.output is not None:
            raise ValueError(f"data.output is {self.data.output}: it is for the run's own volume")
        return self
