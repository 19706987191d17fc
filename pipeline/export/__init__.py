"""Write a box of any volume as a file that other programs open: HDF5, OME-Zarr or TIFF.

`Part` is what is written, `written_by` finds the format by the ending of a name. A file appears whole or not
at all, and takes the place of none. `FilledVolume` is a segmentation without its blanks,
`ChosenVolume` one of some segments alone.
"""

from pipeline.export.along_image import fill_along_image
from pipeline.export.chosen import ChosenVolume
from pipeline.export.files import written_by
from pipeline.export.filled import FilledVolume
from pipeline.export.part import Part, part_of

__all__ = ["ChosenVolume", "FilledVolume", "Part", "fill_along_image", "part_of", "written_by"]
