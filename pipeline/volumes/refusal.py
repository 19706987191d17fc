"""What an error of a library that reads a bucket, or a web server, is to a user."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.errors import InputError, Unreadable
from pipeline.geometry import Box
from pipeline.results.unreadable import came_of_refusal
from pipeline.volumes.address import Where

COLOURS = re.compile(r"\x1b\[[\d;]*m")
"""What CloudVolume has in its errors."""


def refusal(what: str, error: Exception, address: str) -> InputError:
    """Damage, or the way to what lies at `address`, which may be open again: then Unreadable."""
    from pipeline.machine.stores import UNKNOWN_CERTIFICATE, is_anonymous, status_of  # imports much

    said = f"{what}: {one_line(error)}"
    if "ParamValidationError" in _kinds(error):  # of a name that no bucket can have
        return InputError(f"{said}; a server of one's own is written s3://https://HOST/BUCKET/FOLDER")
    if not came_of_refusal(error):
        return InputError(said)
    if UNKNOWN_CERTIFICATE in said:
        name = "AWS_CA_BUNDLE" if address.startswith("s3:") else "REQUESTS_CA_BUNDLE"
        return Unreadable(f"{said}; set {name} in the environment to a file of the server's certificate")
    if status_of(error) in (401, 403) and is_anonymous(address):
        return Unreadable(f"{said}; no credentials were found, so it was asked without, as a public bucket")
    return Unreadable(f"{said}; see whether it can be reached and read from here, and try again")


def unread(uri: str, box: Box, error: Exception, where: Where) -> InputError:
    """What it is where a box of a volume, whose files lie at `where`, cannot be read."""
    what = f"{uri}: cannot read box {box}"
    if isinstance(where, Path):
        return InputError(f"{what}: {one_line(error)}; copy it again")
    return refusal(what, error, str(where))


def asked_how(address: str) -> str:
    """Words for behind the name of a format: where a bucket is read without credentials, that it is."""
    from pipeline.machine.stores import is_anonymous  # imports much

    return ", without credentials" if is_anonymous(address) else ""


def one_line(error: Exception) -> str:
    """What an error says, as it is written in an error of one line."""
    return " ".join(COLOURS.sub("", str(error)).split())


def _kinds(error: BaseException | None) -> set[str]:
    kinds = set()
    while error is not None:
        kinds.add(type(error).__name__)
        error = error.__cause__ or error.__context__
    return kinds
