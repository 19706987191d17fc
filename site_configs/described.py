"""Where machines are described: in site_configs/machines, or in a file of the user's."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:  # every process of Parsl's imports this package, and few read a description
    from site_configs.machine import Machine

FOLDER = Path(__file__).parent / "machines"
LOCAL = "local"
"""The site that is this machine, and needs no description."""


def site_names() -> list[str]:
    """Every name that `--site` accepts; it takes a file too."""
    return sorted([LOCAL, *(path.stem for path in FOLDER.glob("*.yaml"))])


def is_file(name: str) -> bool:
    """Whether a site is named by its file rather than by its name."""
    return name.endswith((".yaml", ".yml")) or "/" in name


def lasting(name: str) -> str:
    """The name of a site that means the same in every folder: that of a file is absolute."""
    return str(Path(name).absolute()) if is_file(name) else name


def read_text(name: str) -> str:
    """The description of a site other than `local`, as it is written. Raises InputError."""
    path = Path(name) if is_file(name) else FOLDER / f"{name}.yaml"
    if not is_file(name) and name not in site_names():
        raise InputError(
            f"unknown site {name!r}; known sites: {', '.join(site_names())}; a description of your own is "
            f"named by its file, --site ./{name}.yaml"
        )
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"site {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"site {path} is not UTF-8 text") from None


def machine(name: str) -> Machine:
    """The machine of a site other than `local`. Raises InputError, which names the file and the key."""
    source = name if is_file(name) else str(FOLDER / f"{name}.yaml")
    return _parse(read_text(name), source)


@lru_cache(maxsize=16)
def _parse(text: str, source: str) -> Machine:
    from pydantic import ValidationError

    from pipeline.settings.run_file import explain
    from pipeline.settings.yaml_text import read_yaml
    from site_configs.machine import Machine

    try:
        document = read_yaml(text)
    except ValueError as error:
        raise InputError(f"site {source} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"site {source} holds no keys such as 'scheduler:'; `ffn sites slurm` shows some")
    try:
        return Machine.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{source}: {explain(error, Machine)}") from None
