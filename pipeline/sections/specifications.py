"""The simple part of tile specifications in JSON, as render and ASAP have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from pipeline.errors import InputError
from pipeline.sections.table import Listed, number, section_number

TRANSLATION, AFFINE = "TranslationModel2D", "AffineModel2D"


def read_specifications(path: Path) -> Iterator[Listed]:
    """The tiles of a list of specifications: each with z (or layer), mipmapLevels and transforms.

    Raises InputError for what has another form, for tiles that are rotated, scaled or bent, since montage
    starts from images as they were taken, and for those with a mask, of which nothing would be seen.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(listed, list):
        raise InputError(f"{path} holds no list; expected a list of tile specifications")
    for index, tile in enumerate(listed):
        where = f"{path}: tile {index}"
        if not isinstance(tile, dict):
            raise InputError(f"{where} is {tile!r}; expected an object with z, mipmapLevels and transforms")
        where = f"{path}: tile {tile.get('tileId', index)}"
        z = section_number(tile.get("z", tile.get("layer")), f"{where}: z")
        y, x = _place(tile.get("transforms"), where)
        yield Listed(z, _file(tile, where), y, x)


def _file(tile: dict[str, Any], where: str) -> str:
    try:
        finest = tile["mipmapLevels"]["0"]
        url, mask = str(finest["imageUrl"]), finest.get("maskUrl")
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{where} has no mipmapLevels.0.imageUrl") from None
    if mask:
        raise InputError(f"{where} has a mask, {mask!r}, and what it hides would be shown: leave maskUrl out")
    parts = urlparse(url)
    if parts.scheme not in ("", "file"):
        raise InputError(f"{where}: imageUrl is {url!r}; expected a file")
    return unquote(parts.path) if parts.scheme else url


def _place(transforms: Any, where: str) -> tuple[float, float]:
    """The sum of all translations."""
    specs = transforms.get("specList") if isinstance(transforms, dict) else transforms
    if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
        raise InputError(
            f"{where} has transforms {transforms!r}; expected a list of them, or an object with that as its "
            "specList; an empty one is of a tile at 0, 0"
        )
    y = x = 0.0
    for spec in specs:
        kind = str(spec.get("className", spec.get("type", ""))).rpartition(".")[2]
        numbers = [number(n, f"{where}: {kind}") for n in str(spec.get("dataString", "")).split()]
        if kind == AFFINE and len(numbers) == 6 and numbers[:4] == [1, 0, 0, 1]:
            numbers = numbers[4:]
        elif kind != TRANSLATION or len(numbers) != 2:
            raise InputError(
                f"{where} has transform {kind} {spec.get('dataString')!r}; expected {TRANSLATION} 'x y', or "
                f"{AFFINE} '1 0 0 1 x y': it is only moved"
            )
        x, y = x + numbers[0], y + numbers[1]
    return y, x
