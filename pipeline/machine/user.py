"""The user of this process, who may have no name and no home here, as in containers."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

LIBRARY_FOLDER = "CLOUD_VOLUME_DIR"
"""CloudVolume makes this folder when it is imported, ~/.cloudvolume unless the environment says otherwise."""


def user_name() -> str:
    """The name of the user, or the number of one who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def has_home() -> bool:
    """Whether a library can keep its files where it looks for them."""
    home = os.path.expanduser("~")
    return os.path.isabs(home) and (
        os.access(home, os.W_OK | os.X_OK) or os.path.isdir(os.path.join(home, ".cloudvolume"))
    )


def do_without_home() -> None:
    """Before CloudVolume is imported: where there is no home, give it a folder of temporary files."""
    if LIBRARY_FOLDER not in os.environ and not has_home():
        os.environ[LIBRARY_FOLDER] = str(Path(tempfile.gettempdir()) / f"ffn-{os.getuid()}-cloudvolume")
