"""Open an image or label volume, whatever its format, and read boxes of it.

| uri | format |
| --- | --- |
| `file.h5:dataset` | HDF5 |
| `file.h5:stack`, beside a dataset `transforms` | NeuroProof labels: supervoxels, read as bodies |
| `precomputed://PATH` | Neuroglancer precomputed |
| `file://PATH` | as `PATH` |
| `zarr://PATH`, a Zarr folder, either with `:array` | Zarr formats 2 and 3, OME-Zarr 0.4 and 0.5 |
| `n5://PATH`, an N5 folder, either with `:dataset` | N5 |
| `stack.tif` | TIFF of several pages |
| `stack.npy` | NumPy |
| a folder, or `folder/*.tif` | slices, one file a z, in the order of the numbers in their names |
| `s3://...`, `gs://...`, `https://...`, any with `:part` | precomputed, Zarr or N5, whatever lies there |
| `precomputed://ADDRESS`, `zarr://ADDRESS`, `n5://ADDRESS` | the same, with the format said |

`ADDRESS|FORMAT:`, as Neuroglancer writes it, is taken too.

A volume is in the coordinates of its file: see `Frame`. Which attributes say what is in `attributes`.
"""

from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import Frame, VoxelSize
from pipeline.volumes.open import open_volume
from pipeline.volumes.run_volumes import (
    image_voxel_size_nm,
    labelled_box,
    labelled_sections_by_name,
    open_image,
    open_labels,
    open_mask,
)
from pipeline.volumes.volume import Volume

__all__ = [
    "Choice",
    "Frame",
    "Volume",
    "VoxelSize",
    "image_voxel_size_nm",
    "labelled_box",
    "labelled_sections_by_name",
    "open_image",
    "open_labels",
    "open_mask",
    "open_volume",
]
