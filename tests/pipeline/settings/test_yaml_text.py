"""What stands in a run file, or after --set, is what the settings get, or it is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.settings.run_file import dump_config, load_config, parse_config, read_config
from pipeline.settings.yaml_text import read_value, read_yaml

NAMES = ["007", "1e3", "1:30", "yes", "no", "on", "off", "true", "2026-11-26", "0x1F", "1_000", "3.10", "99"]
NO_NUMBERS = ["010", "-010", "00", "1:30", "yes", "off", "true", "2026-11-26", "0x1F", "0b11", "''", "1.5"]
AS_GIVEN = [
    "module a\nexport B=1 # c: d",
    "a: b",
    "a #b",
    " x ",
    "- a",
    "it's",
    "@a",
    "!a",
    "&a",
    "%",
    "a\tb",
]
EMPTY = ["", "# nothing\n", "training:\n", "training:\n  sampling:\ndata:\n  phantom: ~\n"]
ODD = ["null", "~", "", " ", ".inf", "<<", "=", "\ufeff", "\x85", "\u2028", "a\n\n b \n", "'\"", "#", "- x"]

TEXT = st.sampled_from([*NAMES, *ODD]) | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def read(folder: Path, text: str | bytes, *overrides: str) -> RunConfig:
    path = folder / "run.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(path, list(overrides))


def refusal(folder: Path, text: str | bytes, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_as_it_is_written(tmp_path: Path, name: str) -> None:
    overrides = [f"site.queue={name}", f"site.reservation='{name}'"]
    config = read(tmp_path, f"site: {{account: {name}}}\n", *overrides)
    assert (config.site.account, config.site.queue, config.site.reservation) == (name,) * 3


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_may_not_be_the_number_that_was_meant_is_refused(tmp_path: Path, text: str) -> None:
    assert f"training.ranks is {shown(text)}: " in refusal(tmp_path, f"training: {{ranks: {text}}}")
    assert f"training.ranks is {shown(text)}: " in refusal(tmp_path, "", f"training.ranks={text}")
    if text != "1.5":
        assert f"data.max_missing is {shown(text)}: " in refusal(tmp_path, "", f"data.max_missing={text}")


def shown(text: str) -> str:
    """A value as an error shows it: only what looks like a number has no quotes."""
    return text if re.fullmatch(r"-?\d[\w.]*", text) else repr(text.strip("'"))


def test_numbers_may_be_written_as_people_do(tmp_path: Path) -> None:
    training = read(tmp_path, "training: {fovs: 1.0e+5, batch_size: 1e1, learning_rate: 1e-3}").training
    assert (training.fovs, training.batch_size, training.learning_rate) == (100_000, 10, 1e-3)
    assert read(tmp_path, "", "data.ignore_labels=[1_0, 7]").data.ignore_labels == (10, 7)


def test_booleans_that_come_as_such_are_no_numbers() -> None:
    with pytest.raises(InputError, match=r"training\.ranks is True: expected a number, not true or false"):
        parse_config({"training": {"ranks": True}}, "x")


@pytest.mark.parametrize("text", ["yes", "on", "true", "True"])
def test_a_switch_takes_yes_and_no(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"inference: {{reflect: {text}}}").inference.reflect is True


def test_a_box_stays_a_box(tmp_path: Path) -> None:
    config = read(tmp_path, "training: {box: '0:64,1:30,2:59'}", "inference.box=0:64,1:30,2:59")
    assert config.training.box == config.inference.box == Box((0, 1, 2), (64, 30, 59))
    assert read(tmp_path, "training:\n  box: 0:64,1:30,2:59\n").training.box == config.training.box
    assert "box '0:64' is not of the form" in refusal(tmp_path, "training: {box: 0:64}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\ndata: {}\nseed: 2\n", "the key 'seed' stands twice, in lines 1 and 3"),
        ("training:\n  ranks: 2\n\n  fovs: 9\n  ranks: 4\n", "'ranks' stands twice, in lines 2 and 5"),
        ("seed: 1\n'seed': 2\n", "'seed' stands twice, in lines 1 and 2"),
        ("training: {ranks: 2, ranks: 4}\n", "'ranks' stands twice, in lines 1 and 1"),
        ("- seed\n- 1\n", "holds a list, not sections"),
        ("[]\n", "holds a list, not sections"),
        ("0\n", "holds '0', not sections"),
        ("''\n", "holds '', not sections"),
        ("seed: 1\n---\nseed: 2\n", "is not YAML: expected a single document"),
        ("training:\n\tranks: 2\n", "is not YAML: while scanning for the next token found character '\\t'"),
        ("seed: 1\n".encode("utf-16"), "is not YAML: it is not UTF-8 text"),
        ("site: {account: Zürich}\n".encode("latin-1"), "is not YAML: it is not UTF-8 text"),
        (b"site: {account: a\x00b}\n", "is not YAML"),
        ("? [a, b]\n: 1\n", "the key in line 1 is no text"),
        ("~: 1\n", "run.yaml"),
        ("1: 2\n", "unknown key '1'"),
        ("seed: &a {<<: *a}\n", "nested too deeply, or in itself"),
        ("seed: 1\n<<: 3\n", "<< in line 2 does not name a mapping"),
        ("training: 7\n", "training is 7"),
        ("seed: !!python/object:os.system x\n", "is not YAML"),
    ],
)
def test_what_is_no_run_file_is_refused_in_one_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


@pytest.mark.parametrize("text", EMPTY)
def test_what_is_left_empty_is_default(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == RunConfig()
    assert read(tmp_path, text, "training.sampling.coordinates=9").training.sampling.coordinates == 9


def test_a_byte_order_mark_umlauts_and_anchors_are_fine(tmp_path: Path) -> None:
    boxes = "training: {box: &b '0:50,0:60,0:70'}\ninference: {box: *b}\n"
    config = read(tmp_path, f"\ufeffsite: {{account: Zürich}}\n{boxes}".encode())
    assert (config.site.account, config.inference.box) == ("Zürich", config.training.box)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("a long key", "another one")])
def test_own_keys_win_over_merged_ones_and_the_first_merged_mapping_over_the_next(x: str, y: str) -> None:
    merged = read_yaml(
        f"a: &a {{{x}: 1, {y}: 2}}\nb: &b {{<<: *a, {y}: 3}}\nc: {{<<: *b, {x}: 4}}\n"
        f"d: {{<<: [*a, *b]}}\ne: {{{x}: 5, <<: [*b, *a]}}\n"
    )
    assert merged == {
        "a": {x: "1", y: "2"},
        "b": {x: "1", y: "3"},
        "c": {x: "4", y: "3"},
        "d": {x: "1", y: "2"},
        "e": {x: "5", y: "3"},
    }


@pytest.mark.parametrize("given", AS_GIVEN)
def test_a_value_after_set_is_taken_as_it_is_given(tmp_path: Path, given: str) -> None:
    assert read(tmp_path, "", f"site.worker_init={given}").site.worker_init == given


def test_lists_mappings_and_quotes_after_set_are_yaml(tmp_path: Path) -> None:
    assert read_value("[1, 'a: b']") == ["1", "a: b"]
    assert read_value("{3: 4}") == {"3": "4"}
    assert read_value('"a\\nb"') == "a\nb"
    assert [read_value(text) for text in ("", "~", "null", '"null"')] == [None, None, None, "null"]
    assert "what begins with [ must be YAML" in refusal(tmp_path, "", "network.fov=[1, 2")


def text_fields() -> list[tuple[str, str, FieldInfo]]:
    """Section, name and field of all settings that hold any text."""
    defaults = {name: field.default for name, field in RunConfig.model_fields.items()}
    sections = {name: default for name, default in defaults.items() if isinstance(default, BaseModel)}
    return [
        (section, name, field)
        for section, default in sections.items()
        for name, field in type(default).model_fields.items()
        if str in (field.annotation, *get_args(field.annotation)) and not name.endswith("axes")
    ]


def test_the_text_fields_are_found() -> None:
    names = {name for _, name, _ in text_fields()}
    assert {"image", "labels", "folder", "checkpoint", "account", "queue", "worker_init"} <= names
    assert "scheduler_options" in names


@given(st.data())
def test_a_configuration_that_is_dumped_reads_back_equal_whatever_its_texts_hold(data: st.DataObject) -> None:
    document: dict[str, dict[str, Any]] = {}
    for section, name, field in text_fields():
        text = data.draw(TEXT)
        several = field.annotation == tuple[str, ...]
        document.setdefault(section, {})[name] = [text, text] if several else text
    config = parse_config(document, "drawn")
    dumped = read_yaml(dump_config(config).encode())
    assert parse_config(dumped, "dumped") == config
    assert config.site.worker_init == document["site"]["worker_init"]


def test_what_is_written_is_read_by_load_config_too(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(dump_config(parse_config({"site": {"account": "007", "queue": "yes"}}, "x")))
    site = load_config(path).site
    assert (site.account, site.queue) == ("007", "yes")
