"""A cheap identity of data that is spread over the files of a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path


def folder_identity(folder: Path) -> str:
    """The absolute path, how many files are below it, and a digest of their names, sizes and last changes."""
    digest = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        status = path.stat()
        digest.update(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{folder.resolve()} {len(files)} {digest.hexdigest()}"
