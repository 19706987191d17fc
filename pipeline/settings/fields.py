"""Types of settings, and the base of the sections of a RunConfig."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PositiveInt

from pipeline.geometry import Box


def _as_box(value: object) -> object:
    return Box.parse(value) if isinstance(value, str) else value


BoxField = Annotated[Box, BeforeValidator(_as_box), PlainSerializer(str)]
Probability = Annotated[float, Field(gt=0, lt=1)]
PositiveTriple = tuple[PositiveInt, PositiveInt, PositiveInt]
NaturalTriple = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


class Section(BaseModel):
    """Base of every section: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
