"""Every setting is explained by the command, from the one place where it is defined."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline.config import RunConfig
from tests.commands import said
from workflows.config import main, settings

REPOSITORY = Path(__file__).parents[2]


def test_every_setting_is_listed_with_its_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["explain"], monkeypatch, capsys)
    assert code == 0
    listed = [line.split(" = ")[0].split(":")[0] for line in shown.splitlines()]
    assert listed == [name for name, _ in settings(RunConfig())]
    assert "inference.overlap = [48, 48, 48]" in shown.splitlines()


def test_a_setting_is_explained_and_an_unknown_one_has_its_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["explain", "data.origin"], monkeypatch, capsys)
    assert (code, shown.splitlines()[0]) == (0, "data.origin = null")
    assert "Coordinates of the image's first voxel" in shown
    code, shown = said(main, ["explain", "data.orgin"], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert "there is no setting data.orgin; near are data.origin" in shown


def test_keys_of_a_section_that_need_not_be_there_are_explained_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["explain", "sections.alignment.grid"], monkeypatch, capsys)
    assert (code, shown.splitlines()[0]) == (0, "sections.alignment.grid = 32")
    code, shown = said(main, ["explain", "sections.tiles"], monkeypatch, capsys)
    assert (code, shown.splitlines()[1]) == (0, "sections.tiles.table = must be given")


def test_the_schema_knows_every_key_of_the_run_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown = said(main, ["schema"], monkeypatch, capsys)
    assert code == 0
    document = json.loads(shown)
    assert document["additionalProperties"] is False

    def known(schema: dict[str, object], keys: object) -> None:
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        schema = document["$defs"][name] if name else schema
        if isinstance(keys, dict) and "properties" in schema:
            properties = schema["properties"]
            assert isinstance(properties, dict)
            for key, value in keys.items():
                assert key in properties, key
                known(properties[key], value)

    for file in sorted((REPOSITORY / "configs").glob("*.yaml")):
        known(document, yaml.safe_load(file.read_text()))
    box = document["$defs"]["Training"]["properties"]["box"]["anyOf"][0]
    assert box["type"] == "string"


def test_limits_stand_in_the_schema_by_the_names_that_editors_know() -> None:
    known = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    schema = RunConfig.model_json_schema()
    assert schema["$defs"]["Training"]["properties"]["fovs"]["exclusiveMinimum"] == 0
    text = json.dumps(schema)
    assert any(f'"{name}"' in text for name in known)
    assert not [name for name in ("gt", "ge", "lt", "le") if f'"{name}":' in text]
