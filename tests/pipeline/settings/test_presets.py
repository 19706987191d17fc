"""Presets: what each name stands for, and what wins over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Inference, Network, Preset, RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.settings.presets import with_preset
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config, load_config


@pytest.mark.parametrize(
    ("preset", "deltas", "precision"),
    [
        ("best", (8, 8, 8), "float32"),
        ("balanced", (8, 8, 8), "auto"),
        ("fast", (12, 12, 12), "auto"),
        (None, (8, 8, 8), "auto"),
    ],
)
def test_presets_of_the_published_network(
    preset: Preset | None, deltas: Triple | None, precision: str
) -> None:
    found = with_preset(Inference(preset=preset), Network())
    assert (found.deltas, found.precision) == (deltas, precision)


def test_deltas_stay_within_half_the_fov_and_never_below_those_of_training() -> None:
    network = Network(fov=(13, 3, 13), deltas=(3, 1, 6))
    assert with_preset(Inference(preset="fast"), network).deltas == (4, 1, 6)


def test_what_is_given_wins_over_the_preset() -> None:
    found = with_preset(Inference(preset="fast", deltas=(9, 9, 9)), Network())
    assert (found.deltas, found.precision) == ((9, 9, 9), "auto")
    found = with_preset(Inference(preset="best", precision="bfloat16"), Network())
    assert (found.deltas, found.precision) == ((8, 8, 8), "bfloat16")


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
