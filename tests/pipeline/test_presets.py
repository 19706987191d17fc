"""Presets: what each name stands for, and what wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Inference, Network, RunConfig
from pipeline.config_file import dump_config, load_config
from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.plan import resolve
from pipeline.presets import preset_deltas


@pytest.mark.parametrize(
    ("preset", "deltas"),
    [("best", (8, 8, 8)), ("balanced", (10, 10, 10)), ("fast", (12, 12, 12)), (None, (8, 8, 8))],
)
def test_presets_of_the_published_network(preset: str | None, deltas: Triple) -> None:
    assert RunConfig.model_validate({"inference": {"preset": preset}}).inference_deltas == deltas


def test_deltas_stay_within_half_the_fov_and_never_below_those_of_training() -> None:
    assert preset_deltas("fast", deltas=(3, 1, 6), fov=(13, 3, 13)) == (4, 1, 6)


def test_deltas_that_are_given_win_over_the_preset() -> None:
    config = RunConfig(inference=Inference(preset="fast", deltas=(9, 9, 9)))
    assert config.inference_deltas == (9, 9, 9)


def test_a_resolved_run_holds_what_the_preset_stands_for(tmp_path: Path) -> None:
    config = RunConfig.model_validate(
        {"data": {"labels": "phantom"}, "inference": {"preset": "fast"}, "network": Network().model_dump()}
    )
    run = resolve(config, tmp_path)
    assert run.config.inference.deltas == (12, 12, 12)
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(run.config))
    assert resolve(load_config(path), tmp_path).config == run.config


def test_an_unknown_preset_is_refused_with_the_names_of_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("inference: {preset: fastest}")
    with pytest.raises(InputError, match=r"inference.preset is 'fastest'.*'best', 'balanced' or 'fast'"):
        load_config(path)
