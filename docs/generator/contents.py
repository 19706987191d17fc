"""The table of contents: the tables of the README, a part for each row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


ROW = re.compile(r"^\| (?P<reader>[^|]+) \| (?P<pages>[^|]*\]\([\w/-]+\.md\)[^|]*) \|$", re.MULTILINE)
PAGE = re.compile(r"\]\(([\w/-]+)\.md\)")

FRONT = '<!doctype html><meta http-equiv="refresh" content="0; url={page}"><a href="{page}">{title}</a>\n'


def parts(readme: str) -> dict[str, list[str]]:
    """By reader, the pages that the tables of the README name, without their suffix."""
    return {row["reader"]: PAGE.findall(row["pages"]) for row in ROW.finditer(readme)}


def toctrees(readme: str) -> str:
    """The directives that make the parts known to Sphinx; nothing of them is shown on the page itself."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {reader}\n\n"
        + "\n".join(f"/{page}" for page in pages)
        + "\n```\n"
        for reader, pages in parts(readme).items()
    )


def _add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    if page == app.config.root_doc:
        source[0] += toctrees(source[0])


def _open_at_the_readme(app: Sphinx, error: Exception | None) -> None:
    """A folder of pages is opened at index.html."""
    if error is None:
        front = FRONT.format(page=f"{app.config.root_doc}.html", title=app.config.project)
        (Path(app.outdir) / "index.html").write_text(front)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _open_at_the_readme)
    return {"parallel_read_safe": True}
