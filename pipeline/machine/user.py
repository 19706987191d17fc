"""The user of this process, who may have no name and no home here, as in containers."""

from __future__ import annotations

import getpass
import os
import pwd
import tempfile
from contextlib import suppress
from pathlib import Path

LIBRARY_FOLDER = "CLOUD_VOLUME_DIR"
"""CloudVolume makes this folder when it is imported, ~/.cloudvolume unless the environment says otherwise."""

FILES_FOLDER = "CLOUD_FILES_DIR"
"""The same of the library by which it reads files, ~/.cloudfiles."""

LOCKS = "CLOUD_FILES_LOCK_DIR"
"""Where it keeps a file for each shard that it reads, ~/.cloudfiles/locks unless the environment knows."""


def user_name() -> str:
    """The name of the user, or the number of one who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def has_home() -> bool:
    """Whether CloudVolume's folder is in the home, or can be made there: nothing else tells of a home that
    takes no more files, or none even of root."""
    home = os.path.expanduser("~")
    folder = os.path.join(home, ".cloudvolume")
    with suppress(OSError):
        if os.path.isabs(home):
            os.mkdir(folder)
    return os.path.isabs(home) and os.path.isdir(folder)


def do_without_home() -> None:
    """Before CloudVolume is imported: where there is no home, give it folders of temporary files.

    Its locks are there in any case: a home may be slow, and is no place for a file a shard.
    """
    if not has_home():
        os.environ.setdefault(LIBRARY_FOLDER, _temporary("cloudvolume"))
        os.environ.setdefault(FILES_FOLDER, _temporary("cloudfiles"))
    os.environ.setdefault(LOCKS, _temporary("locks"))


def do_without_token() -> None:
    """CloudFiles asks for a session's token where the environment has keys of S3: lasting keys have none."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        os.environ.setdefault("AWS_SESSION_TOKEN", "")


def look_briefly_for_a_role() -> None:
    """Google's library asks for the role of a machine in its cloud three times, for three seconds each.

    There it is told in milliseconds; elsewhere nobody answers, and whoever has no credentials waits.
    """
    os.environ.setdefault("GCE_METADATA_TIMEOUT", "2")
    os.environ.setdefault("GCE_METADATA_DETECT_RETRIES", "1")


def _temporary(name: str) -> str:
    return str(Path(tempfile.gettempdir()) / f"ffn-{os.getuid()}-{name}")


def name_of(uid: int) -> str:
    """The name of the user of this number, or the number of one who has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
