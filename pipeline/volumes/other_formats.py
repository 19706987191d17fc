"""Formats that are not read: what they are called, and what makes of them one that is."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path

from pipeline.run_files import RunFiles

PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".7z")

BY_PYTHON = {
    "MRC": ((".mrc", ".mrcs", ".rec", ".st", ".ali", ".map"), "mrcfile", 'mrcfile.mmap("{}").data'),
    "NRRD": ((".nrrd", ".nhdr"), "nrrd", 'nrrd.read("{}", index_order="C")[0]'),
    "NIfTI": ((".nii", ".nii.gz", ".hdr"), "nibabel", 'nibabel.load("{}").dataobj[:].T'),
    "MATLAB's before 7.3": ((".mat",), "scipy.io", 'scipy.io.loadmat("{}")[NAME].transpose(2, 0, 1)'),
    "voxels alone": ((".raw", ".vol"), "numpy", 'numpy.fromfile("{}", TYPE).reshape(Z, Y, X)'),
}
"""Names of what a few words of Python read, z, y, x: suffixes, the module, the expression."""

BY_FIJI = {
    "Amira's": (".am", ".amira"),
    "Imaris'": (".ims",),
    "a microscope's": (".dm3", ".dm4", ".ser", ".czi", ".lif", ".nd2", ".oib", ".vsi", ".lsm", ".dcm"),
    "a film": (".avi", ".mp4", ".mov"),
}
"""Names of what Fiji reads, with Bio-Formats, and writes as TIFF."""

WAYS = {
    "wkw": "webKnossos' WKW: write the layer as OME-Zarr or TIFF with webKnossos or its Python library",
    "knossos": "KNOSSOS cubes: write them as TIFF or .npy, with knossos_utils or webKnossos' library",
}


KNOSSOS = ("knossos.conf", "*.k.toml", "*.pyk.conf")
KNOSSOS_BELOW = ("*/knossos.conf", "x[0-9]*/y[0-9]*/z[0-9]*", "mag*/x[0-9]*/y[0-9]*")
"""What describes KNOSSOS cubes, and how their folders are called."""


def other_file(path: Path) -> str:
    """What a file is by its name, with the way out; nothing where that is unknown."""
    name = path.name.lower()
    for format, (suffixes, module, expression) in BY_PYTHON.items():
        if name.endswith(suffixes):
            imported = ", ".join(sorted({"numpy", module}))
            written = f'numpy.save("{path.name.partition(".")[0]}.npy", {expression.format(path)})'
            return f"{format}, which is not read: `import {imported}; {written}`, and set data.voxel_size_nm"
    for format, suffixes in BY_FIJI.items():
        if name.endswith(suffixes):
            return f"{format}, which is not read: save it as TIFF, with Fiji (Bio-Formats)"
    if name.endswith(PACKED):
        return "packed: unpack it, and name what is in it"
    return ""


def other_folder(folder: Path, names: Iterable[str]) -> str:
    """What a folder is by what lies in it, files of these names among it; nothing where that is unknown."""
    there = set(names)
    if "header.wkw" in there or _has(folder, ("*/header.wkw", "*/*/header.wkw")):
        return WAYS["wkw"]
    if any(fnmatch.filter(there, pattern) for pattern in KNOSSOS) or _has(folder, KNOSSOS_BELOW):
        return WAYS["knossos"]
    within = RunFiles(folder)
    for volume in (within.segmentation_folder, within.aligned_folder):
        if (volume / "info").is_file():
            return f"a run, and no volume: name the one in it, {volume}"
    told = {other_file(Path(name)) for name in there}
    return f"files of another kind: each is {told.pop()}" if len(told) == 1 and "" not in told else ""


def _has(folder: Path, patterns: Iterable[str]) -> bool:
    return any(any(folder.glob(pattern)) for pattern in patterns)
