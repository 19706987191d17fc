"""The section `data` of a run file: the volumes, and what is to be made of them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from pipeline.settings.fields import (
    NUMBER,
    AxisOrder,
    BoxField,
    NaturalInt,
    PositiveFinite,
    PositiveTriple,
    Real,
    Section,
    SectionsField,
    Share,
    Whole,
)

SECTIONS = "sections"
"""In place of an image: the volume that the run makes of what its section `sections` names."""


def _as_bucket(value: str) -> str:
    if not re.match(r"(gs://|s3://(https?://[^/]+/)?)[\w.-]+(/|$)", value):
        raise ValueError(
            "expected the address of a bucket: s3://BUCKET/FOLDER, s3://https://HOST/BUCKET/FOLDER or "
            "gs://BUCKET/FOLDER"
        )
    return value.rstrip("/")


class Phantom(Section):
    """A synthetic EM volume with exact ground truth, made by the run itself."""

    shape: PositiveTriple = (128, 128, 288)
    """Voxels, z, y, x."""
    seed: NaturalInt = 7
    """Another one makes another volume."""
    spacing: Annotated[float, Field(ge=8), NUMBER] = 22.0
    """Mean distance between the axes of neighbouring processes, in voxels; radii are about half of it."""
    voxel_size_nm: tuple[PositiveFinite, PositiveFinite, PositiveFinite] = (10.0, 10.0, 10.0)
    """What the volume says its voxels are, z, y, x."""


class Data(Section):
    """The volumes. `phantom` as a path stands for the volume that the phantom section describes; `sections`
    as the image, for the one that the run makes of what the section `sections` names.

    Paths are `file.h5:dataset`, `precomputed://...`, a Zarr or N5 folder, `stack.tif`, a folder of slices, or
    an address such as `s3://BUCKET/em.zarr`; docs/your-data.md has all. Relative ones are looked up in
    `folder`, which may list candidates, `${VARIABLES}` allowed; the first that exists is used. A volume is in
    the coordinates of its file.
    """

    folder: str | list[str] | None = None
    """Where relative paths are looked up; a relative one is looked up from the run file's folder."""
    image: str = "phantom"
    """What is segmented."""
    mip: NaturalInt = 0
    """Level of an image that has several, counted from the finest."""
    channel: NaturalInt | None = None
    """Of an image that has several."""
    axes: AxisOrder | None = None
    """The image's stored axes in their order, such as xyz or tczyx; None: as its file says, else z, y, x."""
    origin: tuple[Whole, Whole, Whole] | None = None
    """Coordinates of the image's first voxel; None: what its file says, else 0, 0, 0."""
    labels: str | None = None
    """What the network learns from and is scored against; None: nothing is trained or scored."""
    labels_mip: NaturalInt | None = None
    """None: the level whose voxels are as large as the image's."""
    labels_channel: NaturalInt | None = None
    """Of labels that have several."""
    labels_axes: AxisOrder | None = None
    """See axes."""
    labels_box: BoxField | None = None
    """Where the labels lie; their shape must be this box's. None: where their file says, else all over
    an image of their shape."""
    labelled_sections: SectionsField | None = None
    """Where labels are drawn in some sections alone: their z, as first:end:step, such as "0:100:10", or as a
    list. Labels with as many sections hold just these, others have them at their places. An object is
    taken to go on between two of them where both have it: examples are centred there too. But only
    in the sections themselves anything counts, in the loss and in scores."""
    ignore_labels: tuple[Whole, ...] = ()
    """Ids that mean "not labelled", beside 0, negative ones and the largest of the dtype. That there is no
    object under 0 is known, unless 0 is among these."""
    voxel_size_nm: tuple[PositiveFinite, PositiveFinite, PositiveFinite] | None = None
    """In place of what the files say."""
    image_mean: Real | None = None
    """With image_stddev, what the image is normalised by; None: both are measured on blocks of it."""
    image_stddev: PositiveFinite | None = None
    """See image_mean: give both or neither."""
    max_missing: Share | None = None
    """Largest share of a box's voxels that the image may lack; None: 0.01, of an image in slices none."""
    mask: str | None = None
    """A volume in the image's coordinates; where it is 0, nothing is seeded."""
    loss_mask: str | None = None
    """A volume in the image's coordinates; where it is 0, training learns nothing and centres no example."""
    tissue_range: tuple[Real, Real] | None = None
    """Lowest and highest value of image voxels on which objects may be seeded."""
    replace_sections: dict[Whole, Whole] = Field(default_factory=dict)
    """Lost sections, each with the one that is shown in its place; both are z coordinates."""
    output: Annotated[str, AfterValidator(_as_bucket)] | None = None
    """Where the segmentation is written, with its levels, meshes, skeletons and properties: s3://BUCKET/FOLDER,
    s3://https://HOST/BUCKET/FOLDER or gs://BUCKET/FOLDER, which must be empty. None: the run folder, where
    all else is in any case. docs/buckets.md says whose credentials are used."""
    phantom: Phantom = Phantom()

    def names_the_image_of(self, other: Data) -> bool:
        """Whether both name the same image, and voxels of it by the same coordinates."""
        names = ("folder", "image", "mip", "channel", "axes", "origin")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    @model_validator(mode="after")
    def _belong_together(self) -> Data:
        if (self.image_mean is None) != (self.image_stddev is None):
            raise ValueError(
                f"image_mean is {self.image_mean} and image_stddev {self.image_stddev}: give both, or "
                "neither to have them measured"
            )
        if self.tissue_range and self.tissue_range[0] >= self.tissue_range[1]:
            raise ValueError(f"tissue_range {list(self.tissue_range)} must be from a lower to a higher value")
        for lost, other in self.replace_sections.items():
            if other in self.replace_sections:
                raise ValueError(f"replace_sections: section {other}, in the place of {lost}, is lost too")
        return self
