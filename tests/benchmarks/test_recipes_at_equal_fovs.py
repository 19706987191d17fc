"""Recipes of training that are compared are settings that a run takes, and each is another training."""

from __future__ import annotations

from pathlib import Path

from recipes import RECIPES, alike

from pipeline.config import Network, Training
from pipeline.settings.run_file import load_config

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


def test_recipes_are_settings_of_training_and_network_and_each_is_another() -> None:
    found: list[tuple[Training, Network]] = []
    for changes in RECIPES.values():
        config = load_config(DEMO, [*alike(24_000), *changes])
        found.append((config.training, config.network))
        assert config.training.fovs == 24_000
    assert all(one not in found[:i] for i, one in enumerate(found))
