"""Skeletons as people have them are read, or end in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from osteoid import Skeleton

from pipeline.errors import InputError
from pipeline.evaluation.skeleton_files import read_skeletons

NODES = np.array([[40, 8, 4], [80, 8, 4], [80, 16, 4]], float)
"""z, y, x in nm."""
EDGES = np.array([[0, 1], [1, 2]])


def skeleton() -> Skeleton:
    return Skeleton(NODES[:, ::-1].astype(np.float32), EDGES.astype(np.uint32))


def test_swc_files_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "101"):
        (tmp_path / f"{name}.swc").write_text(skeleton().to_swc())
    found = read_skeletons(tmp_path)
    assert found.names == ("9", "10", "101")
    assert sorted(found.nodes_nm[:3].tolist()) == sorted(NODES.tolist())
    assert found.lengths_nm.sum() == pytest.approx(3 * 48)


def test_no_node_of_an_swc_file_is_lost_to_blanks_before_its_number(tmp_path: Path) -> None:
    """As NeuroMorpho writes them, and with numbers in columns."""
    rows = [f"{i + 1} 0 {4 * i} 8 40 1 {i or -1}" for i in range(12)]
    for number, row in enumerate((" {}", "{:>40}", "{}\r", "# a note\n\t{}")):
        text = "# SWC\n" + "\n".join(row.format(each) for each in rows) + "\n"
        (tmp_path / f"{number}.swc").write_text(text)
    found = read_skeletons(tmp_path)
    assert np.bincount(found.owner).tolist() == 4 * [12]
    assert found.lengths_nm.sum() == pytest.approx(4 * 44)


@pytest.mark.parametrize(
    "row",
    [
        "{n} 0 {x}.5 8 40 1 {p} # soma",
        "{n} 0 {x}.5 8 40 1 {p} 7 1 2 3",
        "{n}.0 0 {x}.5 8 40 NA {p}.0",
        "{n} 0\t{x}.5 8 40 1 {p}",
    ],
)
def test_swc_files_are_read_as_other_programs_write_them(tmp_path: Path, row: str) -> None:
    """A header that is not UTF-8, a mark before it, remarks and columns after the seventh, whole floats."""
    lines = [row.format(n=n, x=100_000_000 + 4 * n, p=n - 1 if n else -1) for n in (0, 2, 1)]
    for name, header in (("a", b"# lengths in \xb5m\n"), ("b", b"\xef\xbb\xbf# SCALE 8 8 40\n"), ("c", b"")):
        (tmp_path / f"{name}.swc").write_bytes(header + "\n".join(lines).encode() + b"\n")
        found = read_skeletons(tmp_path / f"{name}.swc")
        assert found.nodes_nm[:, 2].tolist() == [100_000_000.5, 100_000_008.5, 100_000_004.5]
        assert found.lengths_nm.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 0 4 8 40 1 -1\n2 0 8 8 40 1 7\n", "node 2 has the parent 7, which is not there; a root has -1"),
        ("1,0,4,8,40,1,-1\n2,0,8,8,40,1,1\n", "expected seven numbers a line.*got '1,0,4,8,40,1,-1'"),
        ("1 0 4 8 40 1 -1\n2 0 8 8 40 1\n", "expected seven numbers a line.*got '2 0 8 8 40 1'"),
    ],
)
def test_what_is_wrong_in_an_swc_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "7.swc").write_text(text)
    with pytest.raises(InputError, match=said):
        read_skeletons(tmp_path / "7.swc")


def test_neurites_that_were_written_into_one_swc_file_are_refused(tmp_path: Path) -> None:
    one = "1 0 0 0 0 1 -1\n2 0 4 0 0 1 1\n"
    (tmp_path / "all.swc").write_text(one + one.replace(" 0 0 1", " 40 40 1"))
    with pytest.raises(InputError, match=r"all\.swc: 2 nodes have the number 1; expected one neurite a file"):
        read_skeletons(tmp_path / "all.swc")


def test_precomputed_skeletons_lie_where_their_transform_says(tmp_path: Path) -> None:
    info = {"@type": "neuroglancer_skeletons", "transform": [2, 0, 0, 100, 0, 1, 0, 0, 0, 0, 1, 0]}
    (tmp_path / "info").write_text(json.dumps(info))
    (tmp_path / "7").write_bytes(skeleton().to_precomputed())
    found = read_skeletons(tmp_path)
    assert found.nodes_nm.tolist() == [[z, y, 2 * x + 100] for z, y, x in NODES.tolist()]


def test_skeletons_are_read_as_cloudvolume_packs_them(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps({"@type": "neuroglancer_skeletons"}))
    content = skeleton().to_precomputed()
    (tmp_path / "7").write_bytes(content)
    for name in ("7.gz", "80.gz"):
        (tmp_path / name).write_bytes(gzip.compress(content))
    found = read_skeletons(tmp_path)
    assert (found.names, found.lengths_nm.sum()) == (("7", "80"), pytest.approx(2 * 48))
    (tmp_path / "80.gz").write_bytes(gzip.compress(content)[:-9])
    with pytest.raises(InputError, match=r"80\.gz cannot be read"):
        read_skeletons(tmp_path)
    (tmp_path / "80.gz").rename(tmp_path / "80.br")
    with pytest.raises(InputError, match=r"80\.br is of no known compression"):
        read_skeletons(tmp_path)


def test_edges_of_an_erl_graph_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Twelve skeletons: arr_10 comes after arr_9."""
    nodes = np.concatenate([np.c_[np.full(3, k), NODES * (k + 1)] for k in range(12)])
    edges = [np.c_[EDGES + 3 * k, np.zeros(2)] for k in range(12)]
    for arrays in (
        {f"arr_{i}": a for i, a in enumerate([np.arange(12), np.ones(12), nodes, *edges])},
        {
            "skeleton_id": np.arange(12),
            "skeleton_len": np.ones(12),
            "nodes": nodes,
            **{f"edges_{k}": e for k, e in enumerate(edges)},
        },
    ):
        np.savez(tmp_path / "graph.npz", **arrays)
        found = read_skeletons(tmp_path / "graph.npz")
        assert np.bincount(found.owner[found.edges[:, 0]], found.lengths_nm) == pytest.approx(
            [48 * (k + 1) for k in range(12)]
        )


def test_a_skeleton_of_an_erl_graph_may_have_no_edges(tmp_path: Path) -> None:
    nodes = np.concatenate([np.c_[np.zeros(3), NODES], [[1, 5, 5, 5]]])
    edges = {"edges_0": np.c_[EDGES, np.zeros(2)], "edges_1": np.zeros((0, 3))}
    np.savez(tmp_path / "graph.npz", skeleton_id=np.array([7, 8]), nodes=nodes, **edges)
    found = read_skeletons(tmp_path / "graph.npz")
    assert (found.names, found.edges.tolist()) == (("7", "8"), EDGES.tolist())


def test_what_holds_no_skeletons_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "segmentation").mkdir()
    (tmp_path / "segmentation" / "info").write_text(json.dumps({"@type": "neuroglancer_multiscale_volume"}))
    (tmp_path / "sharded").mkdir()
    (tmp_path / "sharded" / "info").write_text(
        json.dumps({"@type": "neuroglancer_skeletons", "sharding": {"@type": "x"}})
    )
    (tmp_path / "s.pkl").write_bytes(b"x")
    (tmp_path / "s.swc").write_text("no numbers here\n")
    (tmp_path / "s.json").write_text("{}")
    (tmp_path / "s.k.zip").write_bytes(b"PK")
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(
        tmp_path / "torn.npz",
        skeleton_id=[1],
        nodes=np.c_[np.zeros(3), NODES],
        edges_0=np.array([[0, 5, 1.0]]),
    )
    for name, expected in {
        "missing": "no such file",
        "empty": "no .swc and no .nml file in it",
        "segmentation": "not of neuroglancer_skeletons; give the folder",
        "sharded": "are sharded",
        "s.pkl": "a pickle may run anything",
        "s.swc": "is no SWC file|without an edge",
        "s.json": "of no known format.*navis writes .swc",
        "s.k.zip": "are packed: unpack it, and name the .nml in it",
        "other.npz": "holds a; expected skeleton_id",
        "torn.npz": "nodes that are not its own",
    }.items():
        with pytest.raises(InputError, match=expected):
            read_skeletons(tmp_path / name)


def test_swc_files_are_read_however_their_ending_is_written(tmp_path: Path) -> None:
    for name in ("1.swc", "2.SWC", "3.Swc", ".4.swc"):
        (tmp_path / name).write_text("1 0 0 0 0 1 -1\n2 0 8 0 0 1 1\n")
    assert read_skeletons(tmp_path).names == ("1", "2", "3")
    assert read_skeletons(tmp_path / "2.SWC").names == ("2",)
