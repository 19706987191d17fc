"""Types of settings, and the base of the sections of a RunConfig."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from pipeline.geometry import Box


def _as_box(value: object) -> object:
    if isinstance(value, Box):
        return value
    if not isinstance(value, str):
        raise ValueError("expected z0:z1,y0:y1,x0:x1")
    return Box.parse(value)


def _as_axes(value: str) -> str:
    if len(set(value)) != len(value) or not set("zyx") <= set(value) <= set("zyxtc"):
        raise ValueError("expected the names of the stored axes in their order, such as xyz or tczyx")
    return value


MOST_SECTIONS = 1_000_000
"""Listed in one setting: more is a slip of the pen, and would fill the memory."""


def sections_in(text: str) -> tuple[int, ...]:
    """The z in text such as `0:100:10` (first:end:step, without the end) or `3, 14, 22`, ascending.

    Raises ValueError.
    """
    found: list[int] = []
    try:
        for part in text.split(","):
            numbers = [int(number) for number in part.split(":")]
            listed = numbers if len(numbers) == 1 else range(*numbers)
            found += listed[: MOST_SECTIONS + 1]
    except (ValueError, TypeError):
        found = []
    if len(found) > MOST_SECTIONS:
        raise ValueError(f"expected z of {MOST_SECTIONS:,} sections at most")
    if not found or any(b <= a for a, b in itertools.pairwise(found)):
        raise ValueError("expected z as first:end:step, such as 0:100:10, or a list of them, ascending")
    return tuple(found)


def sections_text(sections: Sequence[int]) -> str:
    """What `sections_in` reads as these z, ascending: with a step, where there is one."""
    steps = {b - a for a, b in itertools.pairwise(sections)}
    if len(steps) == 1:
        return f"{sections[0]}:{sections[-1] + 1}:{steps.pop()}"
    return ", ".join(map(str, sections))


def _as_sections(value: object) -> object:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    if not isinstance(text, str):
        raise ValueError("expected z as first:end:step, such as 0:100:10, or a list of them, ascending")
    sections_in(text)
    return text


def _as_number(value: object) -> object:
    """A number that a run file has as text, as it is read by everybody: 010 may be 8, and true is none."""
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"[-+]?0\d+", value):
        raise ValueError("a number that begins with 0 is read as octal by some; write it without the 0")
    try:
        if re.fullmatch(r"[-+]?[\d_]+", value):
            return int(value)
        return float(value.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise ValueError("expected a number") from None


def _as_request(text: str) -> str:
    if text and "{gpus}" not in text:
        raise ValueError("expected {gpus} in it, for their number: --gres=gpu:{gpus}")
    return text


NUMBER = BeforeValidator(_as_number)
"""Stands behind the limits: the JSON schema would not have them otherwise."""
Whole = Annotated[int, NUMBER]
Real = Annotated[float, NUMBER]
BoxField = Annotated[
    Box,
    BeforeValidator(_as_box),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "z0:z1,y0:y1,x0:x1"}),
]
SectionsField = Annotated[
    str,
    BeforeValidator(_as_sections),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}],
            "description": "first:end:step, or a list",
        }
    ),
]
GpuRequest = Annotated[str, AfterValidator(_as_request)]
AxisOrder = Annotated[str, AfterValidator(_as_axes)]
Probability = Annotated[float, Field(gt=0, lt=1), NUMBER]
Share = Annotated[float, Field(ge=0, le=1), NUMBER]
PositiveFinite = Annotated[float, Field(gt=0), NUMBER]
NaturalReal = Annotated[float, Field(ge=0), NUMBER]
PositiveInt = Annotated[int, Field(gt=0), NUMBER]
NaturalInt = Annotated[int, Field(ge=0), NUMBER]
Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER]
"""As Keras takes it."""
PositiveTriple = tuple[PositiveInt, PositiveInt, PositiveInt]
NaturalTriple = tuple[NaturalInt, NaturalInt, NaturalInt]


class Section(BaseModel):
    """Base of every section: immutable, numbers are finite, unknown keys are errors, and a section that is
    left empty is its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        sections = {name for name, f in cls.model_fields.items() if isinstance(f.default, Section)}
        return {key: value for key, value in given.items() if value is not None or key not in sections}
