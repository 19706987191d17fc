"""What is light runs with the tiles on sites that have no other place for it, and with nothing else."""

from __future__ import annotations

from apps.infer import segment_tile
from apps.placing import placed_among
from apps.reconcile import create_volume, find_evidence

WITHOUT, WITH = ("head", "train", "tiles"), ("head", "train", "tiles", "light")


def test_light_tasks_go_where_there_is_a_place_for_them() -> None:
    assert placed_among(find_evidence, WITH) is find_evidence
    assert placed_among(find_evidence, WITHOUT).executors == ["tiles"]
    assert find_evidence.executors == ["light"], "the next run may be on another site"


def test_other_tasks_stay_where_they_are() -> None:
    for app in (segment_tile, create_volume):
        assert placed_among(app, WITHOUT) is app
