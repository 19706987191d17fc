"""No setting is forgotten where it is tried what a change of each makes anew."""

from __future__ import annotations

from changed_settings import FILES, KEPT, LEFT_OUT, SECTIONS, STARTED_ALIKE, TRAINING

from apps.targets import TARGETS
from pipeline.config import RunConfig
from pipeline.settings.fields import Section
from pipeline.training.launch import FREE_TO_CHANGE
from workflows.config import settings

NAMES = {name: default for name, (_, default) in settings(RunConfig())}


def test_each_setting_is_changed_or_it_is_said_why_it_is_not() -> None:
    tried = FILES.keys() | SECTIONS.keys() | TRAINING.keys() | STARTED_ALIKE.keys()
    sections = {name for name, default in NAMES.items() if isinstance(default, Section)} | {"sections"}
    left_out = {name for name in NAMES if any(f"{name}.".startswith(f"{one}.") for one in LEFT_OUT)}
    together = {"data.image_stddev"}  # with data.image_mean
    assert NAMES.keys() - tried - sections - left_out - together == set()
    assert tried | LEFT_OUT.keys() <= NAMES.keys()
    assert not tried & left_out


def test_each_change_is_one_of_the_setting_that_it_is_listed_under() -> None:
    for name, overrides in [*FILES.items(), *SECTIONS.items(), *TRAINING.items(), *STARTED_ALIKE.items()]:
        changed = [override.partition("=")[0] for override in overrides]
        assert name in changed
        assert set(changed) <= NAMES.keys()


def test_a_training_stays_for_those_settings_that_the_program_says() -> None:
    tried = {name.removeprefix("training.") for name in STARTED_ALIKE}
    not_tried = {name.removeprefix("training.") for name in LEFT_OUT}
    assert tried | not_tried >= FREE_TO_CHANGE >= tried
    assert {app for app, _ in KEPT} <= TARGETS.keys()
