"""Read skeletons from files as people have them.

| what | format | lengths |
| --- | --- | --- |
| a folder of `*.swc`, or one such file | SWC; what kimimaro, CATMAID and others write | x, y, z in nm |
| a folder of `*.nml`, or one such file | NML of webKnossos and KNOSSOS, by trees | voxels, by their `scale` |
| a folder with `info` | Neuroglancer precomputed skeletons, not sharded | nm, by the transform in `info` |
| `*.npz` | an ERL graph of em_erl: nodes, edges of each skeleton | z, y, x in nm |

Files and arrays are taken in the order of the numbers in their names: 9 before 10. Precomputed
skeletons may be gzipped. A line `# SCALE` of an SWC file is not looked at: by the format it says what was
applied to the coordinates, and kimimaro writes voxel sizes there beside coordinates in nm.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.nml import read_nml
from pipeline.evaluation.skeletons import Skeletons
from pipeline.evaluation.traced import Traced
from pipeline.results.unreadable import reading
from pipeline.wording import counted

Part = tuple[str, np.ndarray, np.ndarray]

KNOWN = "expected a folder of .swc or .nml files, a folder of precomputed skeletons, or an .npz of em_erl"


def read_skeletons(path: Path) -> Skeletons:
    """The skeletons at `path`. Raises InputError where there are none that can be read."""
    if not path.exists():
        raise InputError(f"skeletons {path}: no such file; {KNOWN}")
    if path.is_dir():
        parts = _precomputed(path) if (path / "info").is_file() else _folder(path)
    elif path.suffix.lower() in BY_SUFFIX:
        parts = BY_SUFFIX[path.suffix.lower()](path)
    elif path.suffix == ".npz":
        parts = _erl_graph(path)
    elif path.suffix in (".pkl", ".pickle", ".p"):
        raise InputError(f"skeletons {path}: a pickle may run anything; save them as .swc, one a skeleton")
    elif path.suffix == ".zip":
        raise InputError(
            f"skeletons {path} are packed: unpack it, and name the .nml in it, or, of a .k.zip of KNOSSOS, "
            "its annotation.xml, called .nml"
        )
    else:
        raise InputError(
            f"skeletons {path} are of no known format; {KNOWN}; of many other formats navis writes .swc"
        )
    skeletons = Skeletons.of(parts)
    if not len(skeletons.edges):
        raise InputError(f"skeletons {path}: {counted(len(parts), 'skeleton')} without an edge; {KNOWN}")
    return skeletons


def write_skeletons(path: Path, skeletons: Skeletons, traced: Traced) -> None:
    """Write skeletons whose names are ids to a file as em_erl has them, and how they were made; equal ones
    give equal bytes.
    """
    owner = skeletons.owner[skeletons.edges[:, 0]]
    edges = {
        f"edges_{i}": skeletons.edges[own] for i, own in enumerate(_rows_of(owner, len(skeletons.names)))
    }
    with open(path, "wb") as file:
        np.savez(
            file,
            skeleton_id=np.array([int(name) for name in skeletons.names], np.uint64),
            nodes=np.column_stack([skeletons.owner, skeletons.nodes_nm]),
            traced=np.array(json.dumps(traced.as_dict())),
            **edges,
        )


def read_traced(path: Path) -> dict[str, Any]:
    """How the skeletons in a file of `write_skeletons` were made. Raises Unreadable."""
    with reading(path), np.load(path) as arrays:
        return json.loads(str(arrays["traced"]))


def _in_order(names: list[str]) -> list[str]:
    """Sorted by the numbers in them as numbers."""
    return sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])


def _folder(folder: Path) -> list[Part]:
    known = [file.name for file in folder.iterdir() if file.suffix.lower() in BY_SUFFIX]
    names = _in_order([name for name in known if not name.startswith(".")])
    if not names:
        raise InputError(f"skeletons {folder}: no .swc and no .nml file in it, and no info; {KNOWN}")
    return [part for name in names for part in BY_SUFFIX[Path(name).suffix.lower()](folder / name)]


def _nml(path: Path) -> list[Part]:
    return [_checked(path, *tree) for tree in read_nml(path)]


def _swc(path: Path) -> list[Part]:
    try:
        # what is not UTF-8 is in comments, as the micro sign of other encodings
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"skeleton {path} cannot be read: {error.strerror}") from None
    rows = [row for row in map(str.split, lines) if row and not row[0].startswith("#")]
    nodes = [_node(path, row) for row in rows]
    numbers = [number for number, _, _ in nodes]
    _refuse_twice(path, numbers)
    place, edges = {number: row for row, number in enumerate(numbers)}, []
    for number, parent, _ in nodes:
        if parent < 0:
            continue
        if parent not in place:
            raise InputError(
                f"skeleton {path}: node {number} has the parent {parent}, which is not there; a root has -1"
            )
        edges.append((place[number], place[parent]))
    at = np.array([z_y_x for _, _, z_y_x in nodes], np.float64).reshape(-1, 3)
    return [_checked(path, path.stem, at, np.array(edges, np.int64))]


BY_SUFFIX = {".swc": _swc, ".nml": _nml}
"""What reads the skeletons of a file."""


def _node(path: Path, row: list[str]) -> tuple[int, int, tuple[float, float, float]]:
    """Number, parent and place of a line of an SWC file, of which the first seven values count."""
    try:
        number, _, x, y, z, _, parent = row[:7]
        return int(float(number)), int(float(parent)), (float(z), float(y), float(x))
    except (ValueError, OverflowError):
        raise InputError(
            f"skeleton {path} is no SWC file: expected seven numbers a line, with blanks between (number, "
            f"type, x, y, z, radius, parent), got {' '.join(row)[:80]!r}"
        ) from None


def _refuse_twice(path: Path, numbers: Sequence[int]) -> None:
    """Raise InputError where two nodes of an SWC file have one number: edges would lead to the last."""
    number, times = max(Counter(numbers).items(), key=lambda item: item[1], default=(0, 0))
    if times > 1:
        raise InputError(
            f"skeleton {path}: {times} nodes have the number {number}; expected one neurite a file, and each "
            "node with a number of its own: save them apart"
        )


def _precomputed(folder: Path) -> list[Part]:
    try:
        info = json.loads((folder / "info").read_text())
        kind, transform = info["@type"], np.array(info.get("transform", np.eye(3, 4)), float).reshape(3, 4)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"skeletons {folder}: its info cannot be read: {error}") from None
    if kind != "neuroglancer_skeletons":
        raise InputError(
            f"skeletons {folder}: its info is of {kind}, not of neuroglancer_skeletons; give the folder "
            "named by `skeletons` in a volume's info"
        )
    if info.get("sharding"):
        raise InputError(f"skeletons {folder} are sharded; write them to a folder of .swc files first")
    from osteoid import Skeleton  # here, because few runs have skeletons and it loads networkx

    files = _by_id(folder)
    parts = []
    for name in _in_order(list(files)):
        try:
            content = files[name].read_bytes()
            skeleton = Skeleton.from_precomputed(
                gzip.decompress(content) if files[name].suffix else content,
                vertex_attributes=info.get("vertex_attributes", []),
            )
        except (OSError, ValueError, IndexError, KeyError, TypeError, EOFError, zlib.error) as error:
            raise InputError(f"skeleton {files[name]} cannot be read: {error}") from None
        placed = skeleton.vertices.astype(float) @ transform[:, :3].T + transform[:, 3]
        parts.append(_checked(folder / name, name, placed[:, ::-1], skeleton.edges))
    return parts


def _by_id(folder: Path) -> dict[str, Path]:
    """The files of skeletons by their ids; CloudVolume writes them as `7.gz`. Raises InputError."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir(), reverse=True):  # 7.gz before 7, which is taken where there are both
        name, _, packed = file.name.partition(".")
        if name.isdigit() and packed not in ("", "gz"):
            raise InputError(f"skeleton {file} is of no known compression; unpack it, or have it gzipped")
        if name.isdigit():
            found[name] = file
    return found


def _erl_graph(path: Path) -> list[Part]:
    """Arrays by name, or numbered from `arr_0`: ids, lengths, nodes (skeleton, z, y, x), edges of each."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in _in_order(list(file))}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"skeletons {path} cannot be read as numbers: {error}") from None
    if "arr_2" in arrays:
        ids, nodes = arrays["arr_0"], arrays["arr_2"]
        edges = [value for name, value in arrays.items() if name not in ("arr_0", "arr_1", "arr_2")]
    elif {"skeleton_id", "nodes"} <= arrays.keys():
        ids, nodes = arrays["skeleton_id"], arrays["nodes"]
        edges = [value for name, value in arrays.items() if name.startswith("edges_")]
    else:
        raise InputError(
            f"skeletons {path} holds {', '.join(arrays)}; expected skeleton_id, nodes, edges_0, ..."
        )
    if len(edges) != len(ids) or nodes.ndim != 2 or nodes.shape[1] != 4:
        raise InputError(
            f"skeletons {path}: {len(ids)} skeletons, {len(edges)} arrays of edges, nodes of shape "
            f"{nodes.shape}; expected as many edges as skeletons, and nodes (n, 4)"
        )
    parts = []
    for name, links, own in zip(ids, edges, _rows_of(nodes[:, 0], len(ids))):
        ends = links.reshape(len(links), links.size // max(1, len(links)))[:, :2].astype(np.int64)
        if not np.isin(ends, own).all():
            raise InputError(f"skeletons {path}: edges of {name} name nodes that are not its own")
        parts.append(_checked(path, str(name), nodes[own, 1:], np.searchsorted(own, ends)))
    return parts


def _rows_of(owner: np.ndarray, owners: int) -> list[np.ndarray]:
    """Of each owner 0, 1, 2 ... its rows, ascending; looked for once, since there may be very many."""
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(owners))
    return [own[owner[own] == index] for index, own in enumerate(np.split(order, ends)[1:])]


def _checked(path: Path, name: str, nodes: np.ndarray, edges: np.ndarray) -> Part:
    """Raises InputError where a node is NaN or infinite, or an edge names one that is not there."""
    edges = np.asarray(edges).astype(np.int64).reshape(-1, 2)
    if not np.isfinite(nodes).all():
        raise InputError(f"skeleton {path}: nodes of {name} are NaN or infinite")
    if edges.size and not (edges.min() >= 0 and edges.max() < len(nodes)):
        raise InputError(f"skeleton {path}: edges of {name} name nodes that are not there")
    return name, nodes, edges
