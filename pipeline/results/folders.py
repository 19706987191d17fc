"""Folders that may not be there yet."""

from __future__ import annotations

from pathlib import Path

from pipeline.results.unreadable import is_there


def existing_part(folder: Path) -> Path:
    """The folder itself or the nearest parent that exists. Raises Unreadable."""
    return next(f for f in (folder, *folder.parents) if is_there(f))
