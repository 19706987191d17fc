"""No setting is NaN or infinite, whoever gives it and however."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.config import Phantom, RunConfig, Sampling
from pipeline.errors import InputError
from pipeline.settings.fields import Section
from pipeline.settings.run_file import parse_config

FIT = 0.5, 1, 9.0
"""One of them is a value of any number there is."""


def number_fields(section: Section, prefix: str = "") -> Iterator[str]:
    """Names of the settings that take a number, dotted."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from number_fields(value, f"{prefix}{name}.")
        elif not isinstance(value, bool) and any(is_taken(f"{prefix}{name}", number) for number in FIT):
            yield f"{prefix}{name}"


def document_of(key: str, value: object) -> dict[str, Any]:
    *sections, last = key.split(".")
    document: dict[str, Any] = {last: value}
    for section in reversed(sections):
        document = {section: document}
    return document


def is_taken(key: str, value: object) -> bool:
    try:
        parse_config(document_of(key, value), "x")
    except InputError as error:
        return "together" in str(error) or "give both" in str(error)
    return True


NUMBERS = list(number_fields(RunConfig()))


def test_the_settings_that_are_numbers_are_found() -> None:
    assert {"seed", "training.learning_rate", "data.image_mean", "inference.move_threshold"} <= set(NUMBERS)
    assert {"data.phantom.spacing", "training.sampling.coordinates", "data.max_missing"} <= set(NUMBERS)


@pytest.mark.parametrize("key", NUMBERS)
def test_nan_and_infinity_are_refused_and_the_key_is_named(key: str) -> None:
    for value in (math.nan, math.inf, -math.inf, ".nan", "nan", ".inf", "-.inf", "-Infinity", "1e999"):
        with pytest.raises(InputError) as caught:
            parse_config(document_of(key, value), "run.yaml")
        assert str(caught.value).startswith(f"run.yaml: {key} is ")
        assert "finite" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.tissue_range", [0, math.inf]),
        ("data.voxel_size_nm", [math.nan, 1, 1]),
        ("training.sampling.thresholds", [0.1, math.nan]),
        ("data.phantom.voxel_size_nm", [1, 1, "inf"]),
    ],
)
def test_nor_may_they_hide_in_lists(key: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"x: {key}\.\d is .*finite"):
        parse_config(document_of(key, value), "x")


@pytest.mark.parametrize("key", ["seed", "data.phantom.seed"])
def test_a_negative_seed_is_refused(key: str) -> None:
    with pytest.raises(InputError, match=f"x: {key} is -1: "):
        parse_config(document_of(key, "-1"), "x")


def test_a_seed_that_keras_would_not_take_is_refused() -> None:
    assert parse_config({"seed": 2**32 - 1}, "x").seed == 2**32 - 1
    with pytest.raises(InputError, match=f"seed is {2**32}: Input should be less than"):
        parse_config({"seed": 2**32}, "x")


def test_sections_made_in_a_program_are_checked_too() -> None:
    with pytest.raises(ValueError, match="finite"):
        Phantom(spacing=math.inf)
    with pytest.raises(ValueError, match="finite"):
        Sampling(thresholds=(math.nan,))


@pytest.mark.parametrize("text", ["0:99999999999999999999", "0:10000000000", "0:600000,600000:1200000"])
def test_more_sections_than_there_are_anywhere_are_refused(text: str) -> None:
    """A zero too many filled the memory, twenty ended in a traceback."""
    with pytest.raises(InputError, match=r"labelled_sections is .*expected z of 1,000,000 sections at most"):
        parse_config(document_of("data.labelled_sections", text), "x")
