"""Read an AlignConfig from YAML plus `key=value` overrides, and say plainly what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.settings.network import Network
from pipeline.settings.run_file import explain, read_document
from pipeline.settings.sections import AlignConfig, FromSections


def load_align_config(path: Path, overrides: list[str] | None = None) -> AlignConfig:
    """Read and validate the file at `path` with `overrides` (each `section.key=value`) on top.

    `tiles.table` comes back absolute; a relative one is taken from the file's own folder. Raises InputError.
    """
    try:
        config = AlignConfig.model_validate(read_document(path, overrides))
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error, AlignConfig)}") from None
    return config.looked_up_in(path.parent)


def as_run(config: AlignConfig) -> RunConfig:
    """The settings of a run on the same site, of which nothing is trained: nothing that a training needs is
    asked for."""
    return RunConfig(site=config.site, network=Network(checkpoint="none"))


def dump_align_config(config: FromSections) -> str:
    """The YAML text that `load_align_config` reads back to an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
