"""Read a RunConfig from YAML plus `key=value` overrides, and say plainly what is wrong with it."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import RunConfig
from pipeline.errors import InputError, Unreadable
from pipeline.results.unreadable import reading
from pipeline.settings.fields import Section
from pipeline.settings.other_volume import OtherVolume
from pipeline.settings.yaml_text import read_value, read_yaml

HasData = TypeVar("HasData", RunConfig, OtherVolume)


def load_config(path: Path, overrides: list[str] | None = None) -> RunConfig:
    """Read and validate the run file at `path` with `overrides` (each `section.key=value`) on top.

    `data.folder` comes back as the first existing candidate, absolute; relative candidates are
    taken from the run file's own folder. Raises InputError.
    """
    config = read_config(path, overrides)
    folder = _first_folder(config.data.folder, relative_to=path.parent)
    others = [
        _in_folder(volume, _first_folder(volume.data.folder, relative_to=path.parent) or folder)
        for volume in config.training.volumes
    ]
    updates: dict[str, Section | None] = {
        "training": config.training.model_copy(update={"volumes": tuple(others)}),
        "sections": config.sections and config.sections.looked_up_in(Path(folder or path.parent)),
    }
    return _in_folder(config, folder).model_copy(update=updates)


def read_config(path: Path, overrides: list[str] | None = None) -> RunConfig:
    """As `load_config`, but `data.folder` stays as it is written, be it there or not."""
    return parse_config(read_document(path, overrides), source=str(path))


def read_document(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """The sections of the YAML file at `path` with `overrides` on top, not validated. Raises InputError."""
    try:
        with reading(path):
            document = read_yaml(path.read_bytes())
    except Unreadable:
        raise
    except OSError as error:
        raise InputError(f"config file {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"config file {path} is not YAML: {error}") from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else repr(document)
        raise InputError(f"config file {path} holds {kind}, not sections such as 'data:' or 'training:'")
    for override in overrides or []:
        apply_override(document, override)
    return document


def parse_config(document: dict[str, Any], source: str) -> RunConfig:
    """Validate a parsed document; `source` names it in the error. Raises InputError."""
    try:
        return RunConfig.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{source}: {explain(error, RunConfig)}") from None


def dump_config(config: RunConfig) -> str:
    """The YAML text that `load_config` reads back to an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def apply_override(document: dict[str, Any], override: str) -> None:
    """Set in a document what `section.key=value` says. Raises InputError."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise InputError(f"--set {override!r} is not of the form section.key=value, such as training.ranks=4")
    *sections, last = key.split(".")
    for section in sections:
        inner = document.get(section)
        if not isinstance(inner, dict | None):
            raise InputError(
                f"--set {override!r}: {section!r} is a value, not a section; `config explain` lists all keys"
            )
        document[section] = document = dict(inner or {})  # by an anchor it may be another section too
    try:
        document[last] = read_value(text)
    except ValueError as error:
        raise InputError(f"--set {override!r}: what begins with {text[0]} must be YAML: {error}") from None


def explain(error: ValidationError, document: type[Section]) -> str:
    """The first thing that is wrong with a document of this kind, with where it is, as one line."""
    first = error.errors()[0]
    location, given = first["loc"], first["input"]
    if first["type"] == "extra_forbidden":
        return f"unknown key {_dotted(location)!r}{_nearest(location, document)}"
    message = _one_line(first["msg"].removeprefix("Value error, "))
    if first["type"] in ("tuple_type", "too_long") or (first["type"] == "missing" and type(given) is list):
        # of a list that is too short pydantic names the number of what it lacks
        location = location[:-1] if isinstance(location[-1], int) else location
        message = _list_expected(location, document)
    elif first["type"] in ("model_type", "dict_type", "mapping_type"):
        message = "expected keys with their values below it"
    elif not location or isinstance(given, (dict, BaseModel)):
        return f"{_dotted(location)}: {message}" if location else message
    return f"{_dotted(location)} is {_as_written(given)}: {message}"


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _list_expected(location: tuple[int | str, ...], document: type[Section]) -> str:
    """What the field at `location` in a document of this kind, which holds several values, is to be given."""
    section = _section_at(location, document)
    field = section.model_fields.get(str(location[-1])) if section else None
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    if any(len(get_args(kind)) == 3 for kind in kinds):
        return "expected three values in brackets, [z, y, x]"
    return "expected a list in brackets, [A, B]"


def _as_written(value: object) -> str:
    """A value as a run file has it: a number without quotes, though it comes as text."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_written, value))}]"
    number = isinstance(value, str) and re.fullmatch(r"[-+]?\.?(\d[\w.]*|inf|nan)", value)
    return str(value) if number else repr(value)


def _nearest(location: tuple[int | str, ...], document: type[Section]) -> str:
    """Suggest the valid key that looks most like the one at `location` in a document of this kind."""
    section = _section_at(location, document)
    if section is None:
        return ""
    keys = list(section.model_fields)
    close = difflib.get_close_matches(str(location[-1]), keys, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; valid keys: {', '.join(keys)}"


def _section_at(location: tuple[int | str, ...], document: type[Section]) -> type[Section] | None:
    """The kind of section that the key at `location` is in, in a document of this kind."""
    section: type[Section] | None = document
    for part in location[:-1]:
        # any other part is the name or number of one of several sections
        if section is not None and part in section.model_fields:
            section = _section_in(section.model_fields[str(part)].annotation)
    return section


def _section_in(annotation: Any) -> type[Section] | None:
    """The kind of section that a field holds, or holds several of."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner))), None)


def _first_folder(candidates: str | list[str] | None, relative_to: Path) -> str | None:
    if candidates is None:
        return None
    tried = []
    for candidate in [candidates] if isinstance(candidates, str) else candidates:
        expanded = os.path.expandvars(candidate)
        if "$" in expanded or not expanded:  # an empty variable is as good as none
            tried.append(f"{candidate} (not set)")
            continue
        folder = (relative_to / os.path.expanduser(expanded)).resolve()
        if folder.is_dir():
            return str(folder)
        tried.append(str(folder))
    raise InputError(
        f"data.folder: none of these folders exists: {', '.join(tried)}; set it to where the data are"
    )


def _in_folder(section: HasData, folder: str | None) -> HasData:
    """The section with its data in that folder."""
    return section.model_copy(update={"data": section.data.model_copy(update={"folder": folder})})


def _one_line(text: str) -> str:
    return " ".join(text.split())
