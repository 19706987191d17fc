"""Types of settings, and the base of the sections of a RunConfig."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
)

from pipeline.geometry import Box


def _as_box(value: object) -> object:
    return Box.parse(value) if isinstance(value, str) else value


def _as_axes(value: str) -> str:
    if len(set(value)) != len(value) or not set("zyx") <= set(value) <= set("zyxtc"):
        raise ValueError("expected the names of the stored axes in their order, such as xyz or tczyx")
    return value


BoxField = Annotated[Box, BeforeValidator(_as_box), PlainSerializer(str)]
AxisOrder = Annotated[str, AfterValidator(_as_axes)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
NaturalInt = Annotated[int, Field(ge=0)]
PositiveTriple = tuple[PositiveInt, PositiveInt, PositiveInt]
NaturalTriple = tuple[NaturalInt, NaturalInt, NaturalInt]


class Section(BaseModel):
    """Base of every section: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
