"""Folders that may not be there yet."""

from __future__ import annotations

from pathlib import Path


def existing_part(folder: Path) -> Path:
    """The folder itself or the nearest parent that exists."""
    return next(f for f in (folder, *folder.parents) if f.exists())
