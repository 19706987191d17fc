"""What a browser really draws: image and segments lie on each other, at the place and size that files say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.viewing import browser
from pipeline.viewing.scene import AT_A_POINT, Point
from tests.pipeline.viewing.placed import OBJECTS, SIZE_NM
from tests.pipeline.viewing.served import Served

pytestmark = pytest.mark.slow
with_browser = pytest.mark.skipif(
    browser.browser() is None, reason=f"none of {', '.join(browser.BROWSERS)} is on PATH"
)

WIDTH, HEIGHT = browser.WINDOW
BETWEEN = 8
"""Pixels between two views that are next to each other."""
HALF = (WIDTH - BETWEEN) // 2
PANELS = {
    (1, 2): (HEIGHT // 4, HALF // 4),
    (0, 2): (HEIGHT // 4, 3 * HALF // 4),
    (1, 0): (3 * HEIGHT // 4, 3 * HALF // 4),
}
"""By the axes (of z, y, x) that go down and to the right: the pixel (down, right) in a panel's middle, where
the left half of the window has four."""
HALVES = {"segmentation": 0, "truth": HALF + BETWEEN}
"""Where each of them is seen, with the image: browsers are slow to start."""
LEFTWARDS = (1, 0)
"""The panel whose horizontal axis, z, goes to the left."""
ACROSS = np.array((170, 140))
"""Pixels from the middle of a panel that are looked at, down and right."""
EDGE = 1
"""Pixels at a side of an object, or of an axis' line, that may be of either colour."""


def seen(box: Box, point: Point, axes: tuple[int, int]) -> np.ndarray:
    """Which pixels of a panel show a box, by nm alone; none where the section does not cut it."""
    (normal,) = {0, 1, 2} - set(axes)
    mask = np.zeros(2 * ACROSS, bool)
    if not box.start[normal] <= point.voxel[normal] < box.stop[normal]:
        return mask
    spans = []
    for axis, middle in zip(axes, ACROSS):
        ends = [(at - point.voxel[axis] - 0.5) * SIZE_NM[axis] for at in (box.start[axis], box.stop[axis])]
        pixels = sorted(
            nm / min(SIZE_NM) / AT_A_POINT * (-1 if axes == LEFTWARDS and axis == 0 else 1) for nm in ends
        )
        spans.append(slice(*(int(np.clip(round(p) + middle, 0, 2 * middle)) for p in pixels)))
    mask[spans[0], spans[1]] = True
    return mask


def side_by_side(names: list[str]) -> dict[str, Any]:
    viewers = [
        {"type": "viewer", "layers": [name for name in names if name != other], "layout": "4panel"}
        for other in ("truth", "segmentation")
    ]
    return {"type": "row", "children": viewers}


@with_browser
def test_image_and_segments_lie_on_each_other_where_the_files_say(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a scene with a thousand points, which is longer than an argument of a program, and than headers may
    be for a browser."""
    monkeypatch.setattr("pipeline.viewing.scene._layout", side_by_side)
    elsewhere = {"point": (300, 10, 3), "text": "7. " + "a tile has two objects " * 8, "segmentation": [7]}
    served.shown.conflicts = [elsewhere] * 1000
    assert len(served.view.scene_address("127.0.0.1:1")) > 1 << 18
    wanted, other = OBJECTS
    point = Point((30, 130, 350), segments=(wanted,), truth=(wanted,))
    browser.draw(served.view, tmp_path / "scene.png", point)
    picture = np.asarray(Image.open(tmp_path / "scene.png").convert("RGB")).astype(int)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    for (axes, middle), half in product(PANELS.items(), HALVES.values()):
        (top, left), (bottom, right) = middle + np.array((0, half)) + np.outer((-1, 1), ACROSS)
        panel = picture[top:bottom, left:right]
        inside, beside = (seen(OBJECTS[i], point, axes) for i in (wanted, other))
        lines = np.zeros(inside.shape, bool)
        lines[ACROSS[0] - EDGE : ACROSS[0] + EDGE] = lines[:, ACROSS[1] - EDGE : ACROSS[1] + EDGE] = True
        edges = binary_dilation(inside, iterations=EDGE) & binary_dilation(~inside, iterations=EDGE)
        counted = ~lines & ~edges & ~binary_dilation(beside, iterations=EDGE)
        assert (counted & inside).sum() > 5000
        # an image's white in which a colour is mixed: both are there
        assert (panel.max(axis=2)[counted & inside] > 240).all()
        assert (panel.min(axis=2)[counted & inside] < 200).all()
        # neither: the image's black, the ground's grey, or the yellow line around a volume
        outside = panel[counted & ~inside]
        grey = (np.ptp(outside, axis=1) < 3) & (abs(outside[:, 0] - 128) < 3)
        assert ((outside.min(axis=1) < 5) | grey).all()


@with_browser
def test_a_browser_that_draws_nothing_is_told_and_ended(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "FLAGS", ("--version",))
    with pytest.raises(InputError, match=r"drew nothing, or never the same twice, in 30 s"):
        browser.draw(served.view, tmp_path / "scene.png", patience_s=30)
    assert not (tmp_path / "scene.png").exists()


def test_a_picture_that_was_taken_too_early_is_taken_again(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Neuroglancer's on a busy machine: before its views were laid out, and before an image was there."""
    pictures = iter((b"one view", b"two views", b"all", b"all"))

    def drawn(then: Callable[[Any], None]) -> None:
        then(SimpleNamespace(screenshot=SimpleNamespace(image=next(pictures))))

    monkeypatch.setattr(served.view.viewer, "async_screenshot", drawn)
    chromium = tmp_path / "chromium"
    chromium.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    chromium.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    browser.draw(served.view, tmp_path / "scene.png")
    assert (tmp_path / "scene.png").read_bytes() == b"all"


def test_without_a_browser_one_is_asked_for(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="needs Chromium or Chrome"):
        browser.draw(served.view, tmp_path / "scene.png")
