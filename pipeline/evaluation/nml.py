"""NML, in which webKnossos and KNOSSOS keep skeletons: https://github.com/scalableminds/nml-spec.

Nodes are in voxels of the file's `scale`, which is in nm, or in the `unit` beside it. webKnossos counts
voxels from 0; in files of KNOSSOS, which say in `lastsavedin` and `createdin` by which version, from 1.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from pipeline.errors import InputError
from pipeline.volumes.frame import AXES, nm_per, positive_sizes

OF_KNOSSOS = ("parameters/lastsavedin", "parameters/createdin")


def read_nml(path: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The trees in the file at `path`, each a skeleton: its name, or else that of the file and its number;
    nodes z, y, x in nm; edges that count from its own first node.

    Raises InputError where it is no such file, says no `scale`, or an edge leads to a node of another tree.
    """
    try:
        things = ElementTree.parse(path).getroot()
        trees = things.findall("thing")
        if things.tag != "things" or not trees:
            raise InputError(
                f"skeletons {path}: no NML, or one without trees; expected <things> with <thing>"
            )
        size_nm = _voxel_size_nm(things, path)
        first = int(any(things.find(of) is not None for of in OF_KNOSSOS))
        return [_tree(tree, size_nm, first, path) for tree in trees]
    except OSError as error:
        raise InputError(f"skeletons {path} cannot be read: {error.strerror}") from None
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise InputError(
            f"skeletons {path} cannot be read as NML: {type(error).__name__} {error}; save them again"
        ) from None


def _voxel_size_nm(things: ElementTree.Element, path: Path) -> np.ndarray:
    """z, y, x."""
    scale = things.find("parameters/scale")
    if scale is None:
        raise InputError(
            f"skeletons {path}: how large its voxels are is not said; expected <scale x=... y=... z=.../> in "
            "nm in its <parameters>"
        )
    nm = nm_per(scale.get("unit"), str(path))
    sizes = [float(scale.attrib[axis]) * nm for axis in AXES]
    return np.array(positive_sizes(sizes, str(path), "its scale (z, y, x in nm)"))


def _tree(
    tree: ElementTree.Element, size_nm: np.ndarray, first: int, path: Path
) -> tuple[str, np.ndarray, np.ndarray]:
    name = tree.get("name") or f"{path.stem}:{tree.get('id')}"
    nodes = tree.findall("nodes/node")
    place = {node.attrib["id"]: row for row, node in enumerate(nodes)}
    voxels = np.array([[float(node.attrib[axis]) for axis in AXES] for node in nodes]).reshape(-1, 3)
    ends = [edge.attrib[end] for edge in tree.findall("edges/edge") for end in ("source", "target")]
    strange = next((end for end in ends if end not in place), None)
    if strange is not None:
        raise InputError(
            f"skeletons {path}: an edge of tree {name} leads to node {strange}, which it has not"
        )
    edges = np.array([place[end] for end in ends], np.int64).reshape(-1, 2)
    return name, (voxels - first) * size_nm, edges
