"""The API pages, one for each package: written to docs/api/ before pages are read, and not kept in git."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generator.links import PACKAGES, module_of

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = Path("docs/api")


def pages(repository: Path) -> dict[str, str]:
    """By package, its page in reStructuredText: what the package says of itself, then each of its modules."""
    return {
        ".".join(init.parent.relative_to(repository).parts): _page(init.parent, repository)
        for package in PACKAGES
        for init in sorted((repository / package).rglob("__init__.py"))
    }


def _page(package: Path, repository: Path) -> str:
    names = [module_of(path.relative_to(repository)) for path in sorted(package.glob("*.py"))]
    title, *modules = [name for name in names if name is not None]  # __init__ is the first by its name
    entries = [_heading(title, "="), _automodule(title, members=False)]
    for module in modules:
        entries += [_heading(module.rpartition(".")[2], "-"), _automodule(module, members=True)]
    return "\n".join(entries)


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _automodule(name: str, members: bool) -> str:
    return f".. automodule:: {name}\n" + ("   :members:\n" if members else "   :no-members:\n")


def _write(app: Sphinx) -> None:
    repository = Path(app.srcdir)
    shutil.rmtree(repository / FOLDER, ignore_errors=True)
    (repository / FOLDER).mkdir()
    for package, text in pages(repository).items():
        (repository / FOLDER / f"{package}.rst").write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
