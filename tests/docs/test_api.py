"""Every package has a page, and every module its place on it."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generator.api import pages
from docs.generator.links import PACKAGES

REPOSITORY = Path(__file__).parents[2]


def test_every_module_is_documented_once_on_the_page_of_its_package() -> None:
    documented = [
        (package, module)
        for package, page in pages(REPOSITORY).items()
        for module in re.findall(r"^\.\. automodule:: (\S+)$", page, re.MULTILINE)
    ]
    files = [path.relative_to(REPOSITORY) for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py")]
    expected = [
        (".".join(file.parent.parts), ".".join(file.with_suffix("").parts).removesuffix(".__init__"))
        for file in files
    ]
    assert sorted(documented) == sorted(expected)
