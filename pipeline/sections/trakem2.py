"""The simple part of a TrakEM2 project: layers with patches that are moved and not otherwise transformed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from pipeline.errors import InputError
from pipeline.sections.table import Listed, number, section_number

MATRIX = re.compile(r"matrix\(([^)]*)\)")


def read_trakem2(path: Path) -> Iterator[Listed]:
    """The patches of every layer of a project; the layers are numbered by their z.

    Raises InputError where it is no XML, for patches that are rotated, scaled or bent, since montage starts
    from images as they were taken, and for those that are hidden or have a mask, of which nothing would be
    seen.
    """
    try:
        project = ElementTree.parse(path)
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is not XML: {error}") from None
    for layer in project.iter("t2_layer"):
        z = section_number(layer.get("z"), f"{path}: z of layer {layer.get('oid')}")
        for patch in layer.iter("t2_patch"):
            where = f"{path}: patch {patch.get('title') or patch.get('oid')}"
            bent = [child.tag for child in patch if child.tag.startswith("ict_transform")]
            # the transform itself may lie in a file of its own, which ct_id names
            bent += ["ct_id"] if patch.get("ct_id", "0") != "0" else []
            if bent:
                raise InputError(f"{where} has a transform {bent[0]}; expected one that is only moved")
            if patch.get("alpha_mask_id", "0") != "0":
                raise InputError(
                    f"{where} has a mask, alpha_mask_id {patch.get('alpha_mask_id')}, and what it hides "
                    "would be shown: remove it"
                )
            if patch.get("visible") == "false":
                raise InputError(f"{where} is hidden, and would be shown: make it visible, or remove it")
            if patch.get("file_path") is None:
                raise InputError(f"{where} has no file_path")
            y, x = _moved(patch.get("transform", "matrix(1,0,0,1,0,0)"), where)
            yield Listed(z, str(patch.get("file_path")), y, x)


def _moved(transform: str, where: str) -> tuple[float, float]:
    found = MATRIX.fullmatch(transform.strip())
    numbers = [number(n, f"{where}: its transform") for n in found[1].split(",")] if found else []
    if len(numbers) != 6 or numbers[:4] != [1, 0, 0, 1]:
        raise InputError(
            f"{where} has transform {transform!r}; expected matrix(1,0,0,1,x,y): it is only moved"
        )
    return numbers[5], numbers[4]
