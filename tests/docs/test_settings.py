"""The page of the run file has every setting, in words, from the code alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, create_model

pytest.importorskip("sphinx", reason="Sphinx is not installed")

from docs.generator.settings import kind, lines
from pipeline.config import RunConfig
from pipeline.settings.fields import BoxField, PositiveInt, PositiveTriple, Probability, Section
from workflows.config import settings


def test_every_setting_is_explained_with_its_kind_and_its_default() -> None:
    entries = ("\n" + "\n".join(lines())).split("\n- **`")
    told = {entry.partition("`")[0]: entry.split("\n") for entry in entries[1:]}
    wanted = [name for name, (_, default) in settings(RunConfig()) if not isinstance(default, Section)]
    assert list(told) == wanted
    assert not [
        name for name, (_, empty, explanation, *_) in told.items() if empty or not explanation.strip()
    ]
    assert told["inference.overlap"][0].endswith(": three, each whole number ≥ 0; by default `[48, 48, 48]`.")


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (PositiveInt, "whole number > 0"),
        (Probability, "number > 0 and < 1"),
        (str | None, "text, or null"),
        (bool, "true or false"),
        (BoxField | None, "`z0:z1,y0:y1,x0:x1`, or null"),
        (PositiveTriple, "three, each whole number > 0"),
        (tuple[str, ...], "a list, each text"),
        (dict[int, int], "a mapping, each value whole number"),
        (Literal["best", "fast"], "one of `best`, `fast`"),
        (Annotated[int, Field(ge=1, le=4)], "whole number ≥ 1 and ≤ 4"),
    ],
)
def test_what_a_value_may_be_is_told_in_words(annotation: Any, words: str) -> None:
    schema = create_model("Model", value=(annotation, ...)).model_json_schema()
    assert kind(schema["properties"]["value"], schema) == words
