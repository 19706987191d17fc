"""NML of webKnossos and of KNOSSOS is read: voxels as nm, each tree a skeleton."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.evaluation.skeleton_files import read_skeletons

TREE = """<thing id="{id}" color.r="1.0" color.g="0.0" color.b="0.0" color.a="1.0" {name}><nodes>
<node id="{a}" radius="30.0" x="10" y="20" z="3" inVp="0" inMag="1" time="0"></node>
<node id="{b}" radius="30.0" x="10" y="20" z="5" inVp="0" inMag="1" time="0"/></nodes>
<edges><edge source="{a}" target="{b}"/></edges></thing>"""
TREES = TREE.format(id=1, name='name="axon"', a=7, b=2) + TREE.format(id=4, name="", a=15, b=31)


def nml(parameters: str, trees: str = TREES) -> str:
    more = '<branchpoints><branchpoint id="7"/></branchpoints><comments/>'
    return f'<?xml version="1.0"?>\n<things><parameters>{parameters}</parameters>{trees}{more}</things>'


@pytest.mark.parametrize(
    ("parameters", "first"),
    [
        ('<scale x="9.0" y="10.0" z="20.0"/>', 0),
        ('<experiment name="a"/><scale x="0.009" y="0.01" z="0.02" unit="micrometer"/>', 0),
        ('<scale x="9.0" y="10.0" z="20.0"/><lastsavedin version="5.1"/><createdin version="4.1"/>', 1),
    ],
)
def test_trees_lie_where_their_program_shows_them(tmp_path: Path, parameters: str, first: int) -> None:
    """KNOSSOS counts voxels from 0, and writes them from 1."""
    (tmp_path / "j0126.nml").write_text(nml(parameters))
    for path in (tmp_path / "j0126.nml", tmp_path):
        found = read_skeletons(path)
        assert found.names == ("axon", "j0126:4")
        assert found.voxels((20, 10, 9)).tolist() == 2 * [
            [3 - first, 20 - first, 10 - first],
            [5 - first, 20 - first, 10 - first],
        ]
        assert found.lengths_nm == pytest.approx([40, 40])


def test_a_tree_may_be_a_single_node(tmp_path: Path) -> None:
    alone = '<thing id="2"><nodes><node id="99" x="1" y="2" z="3"/></nodes><edges/></thing>'
    (tmp_path / "a.nml").write_text(nml('<scale x="9" y="9" z="20"/>', TREES + alone))
    found = read_skeletons(tmp_path / "a.nml")
    assert (len(found.names), len(found.nodes_nm), found.edges.tolist()) == (3, 5, [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (nml('<experiment name="a"/>'), "how large its voxels are is not said; expected <scale x="),
        (nml('<scale x="9" y="0" z="20"/>'), r"its scale .* is \[20.0, 0.0, 9.0\]; expected positive"),
        (nml('<scale x="1" y="1" z="1" unit="pixel"/>'), r"its scale .* is \[0.0, 0.0, 0.0\]"),
        (nml('<scale x="9" y="9" z="20" unit="furlong"/>'), "unit 'furlong' is not known"),
        (nml('<scale x="9" y="9" z="20"/>', TREES.replace('target="31"', 'target="2"')), "leads to node 2, "),
        (nml('<scale x="9" y="9" z="20"/>', TREES.replace('x="10"', "")), "KeyError 'x'"),
        (nml('<scale x="9" y="9" z="20"/>', ""), "no NML, or one without trees"),
        (nml('<scale x="9" y="9" z="20"/>')[:-9], "cannot be read as NML"),
    ],
)
def test_what_is_wrong_in_it_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.nml").write_text(text)
    with pytest.raises(InputError, match=said):
        read_skeletons(tmp_path / "a.nml")
