"""Links that lead out of the pages: to modules, which have a place in the API pages, and to folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


PACKAGES = ("pipeline", "apps", "site_configs", "workflows")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[\w./-]+)\)")


def module_of(path: Path) -> str | None:
    """The dotted name of a module or package, given by its path in the repository; None for other files."""
    if path.parts and path.parts[0] in PACKAGES and path.suffix in ("", ".py"):
        parts = path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return None


def rewritten(text: str, folder: Path, repository: Path) -> str:
    """A page of `folder` with its links to modules leading to the API pages, and none to other folders.

    Links to other pages stay, and so do those to other files, which Sphinx takes along.
    """

    def rewrite(link: re.Match[str]) -> str:
        path = (folder / link["target"]).resolve()
        if not path.is_relative_to(repository):
            return link[0]
        module = module_of(path.relative_to(repository))
        holds_modules = path.is_file() or any(path.glob("*.py"))
        if module is not None and holds_modules:
            return f"[{link['text']}](#{module})"
        return link["text"] if path.is_dir() else link[0]

    return LINK.sub(rewrite, text)


def _rewrite(app: Sphinx, page: str, source: list[str]) -> None:
    file = Path(app.env.doc2path(page))
    if file.suffix == ".md":
        source[0] = rewritten(source[0], file.parent, Path(app.srcdir).resolve())


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _rewrite)
    return {"parallel_read_safe": True}
