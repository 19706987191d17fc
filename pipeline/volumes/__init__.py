"""Open an image or label volume, whatever its format, and read boxes of it.

| uri | format |
| --- | --- |
| `file.h5:dataset` | HDF5; `resolution` (z, y, x in nm), if an attribute of the dataset, is its voxel size |
| `file.h5:stack`, beside a dataset `transforms` | NeuroProof labels: supervoxels, read as bodies |
| `precomputed://PATH`, `precomputed://gs://...`, `file://PATH` | Neuroglancer precomputed, mip 0 |
| `zarr://PATH`, `PATH.zarr`, either with `:array` | Zarr, format 2 (and 3 if the zarr library knows it) |
| a folder | PNG or TIFF slices, one file a z, in the order of their names |
"""

from pipeline.volumes.open import open_volume
from pipeline.volumes.placed import PlacedVolume
from pipeline.volumes.run_volumes import image_voxel_size_nm, open_image, open_labels
from pipeline.volumes.volume import Volume

__all__ = ["PlacedVolume", "Volume", "image_voxel_size_nm", "open_image", "open_labels", "open_volume"]
