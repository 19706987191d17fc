"""`view`, as a user runs it: what it prints, how it ends, and what it says of input that is none."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.geometry import Box
from pipeline.viewing.browser import WINDOW, browser
from tests.commands import as_from_a_terminal, said
from tests.pipeline.viewing.placed import OBJECTS, SEGMENTED_BOX, Case
from tests.pipeline.viewing.test_layers import make_run
from workflows import view
from workflows.output import PassingFile, PlainConsole
from workflows.view import main

if TYPE_CHECKING:
    from pipeline.viewing.server import ViewServer

REPOSITORY = Path(__file__).parents[2]


def volumes(case: Case) -> list[str]:
    return ["--image", case.image, "--segmentation", case.segmentation, "--truth", case.truth]


class CtrlC(PassingFile):
    """Standard output at which Ctrl-C comes as the last line is written."""

    is_over = False

    def write(self, data: Any, /) -> int:
        written = super().write(data)
        if b"Ctrl-C" in bytes(data) and not self.is_over:
            self.is_over = True
            signal.raise_signal(signal.SIGINT)
        return written


@pytest.mark.parametrize("login", ["", f"{socket.gethostname()}.of-cluster"])
def test_on_the_login_node_itself_no_other_leads_the_way(
    case: Case, login: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    monkeypatch.setenv("SLURM_SUBMIT_HOST", login)
    monkeypatch.setenv("PBS_O_HOST", "")
    monkeypatch.setattr("workflows.output.PassingFile", CtrlC)
    with (case.folder / "out").open("w") as out, monkeypatch.context() as of_stdout:
        of_stdout.setattr("sys.stdout", out)
        code, told = said(main, [*volumes(case), "--port", "0"], monkeypatch, capsys)
        sys.stdout.flush()
    shown = (case.folder / "out").read_text()
    assert (code, told, shown.count("Ctrl-C")) == (0, "", 1)
    assert re.search(r"ssh -N -L (\d+):127\.0\.0\.1:\1 [^ -]\S*@\S+$", shown, re.MULTILINE)


def test_what_does_not_hear_ctrl_c_goes_on_not_to_hear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what a script has started behind it."""
    heard = []

    def look(*_: object) -> None:
        heard.append(signal.getsignal(signal.SIGINT))
        raise EOFError

    monkeypatch.setattr(view, "_print_ways", look)
    for before in (signal.SIG_IGN, signal.default_int_handler):
        of_tests = signal.signal(signal.SIGINT, before)
        with pytest.raises(EOFError):
            view._wait(None, PlainConsole())
        assert signal.signal(signal.SIGINT, of_tests) is before
    assert heard[0] is signal.SIG_IGN
    assert heard[1] is not signal.default_int_handler


@pytest.mark.slow
def test_it_prints_the_way_there_and_ends_by_ctrl_c_without_a_word(case: Case) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "workflows" / "view.py"), *volumes(case), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore", "SLURM_SUBMIT_HOST": "login9", "PBS_O_HOST": ""},
        preexec_fn=as_from_a_terminal,
    )
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, (printed, process.communicate())
        printed += line
    (link,) = re.findall(r"^open +(\S+)$", printed, re.MULTILINE)
    port = link.split(":")[2].partition("/")[0]
    through = rf"ssh -N -L {port}:127\.0\.0\.1:{port} -J \S+@login9 \S+@\S+$"
    assert re.search(through, printed, re.MULTILINE)
    assert "20:44,100:180,300:460 (z, y, x), 40 x 8 x 4 nm" in printed
    with urllib.request.urlopen(link) as page:
        assert b"/v/" in page.read()
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)
    assert (process.returncode, *rest) == (0, "", "")


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is on PATH")
def test_a_screenshot_is_drawn_and_the_command_ends(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    target = case.folder / "drawn.png"
    monkeypatch.setattr(sys, "argv", ["view", *volumes(case), "--screenshot", str(target)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr()
    with Image.open(target) as image:
        assert image.size == WINDOW
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 5


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is on PATH")
def test_a_run_and_another_beside_it_are_drawn_with_where_they_differ(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    run = make_run(case)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    small, large = sorted(OBJECTS)
    with h5py.File(run.agglomeration_file, "w") as file:
        file["base"], file["agglomerated"] = np.array([large], np.uint64), np.array([small], np.uint64)
    folder, target = str(run.folder), case.folder / "drawn.png"
    views: list[list[str]] = []

    def looked_at(server: ViewServer, path: Path) -> None:
        state = json.loads(unquote(server.scene_address("127.0.0.1:1").partition("#!")[2]))
        views.append([layer["name"] for layer in state["layers"]])
        views.extend(view["layers"] for view in state["layout"]["children"])

    box = ["--box", str(Box(SEGMENTED_BOX.start, OBJECTS[small].stop))]
    for first, beside, differ in (
        ([folder], [folder, "--agglomerated"], True),
        (["--segmentation", folder + "/segmentation"], [folder, "--agglomerated", *box], False),
    ):
        code, shown = said(
            main, [*first, "--beside", *beside, "--screenshot", str(target)], monkeypatch, capsys
        )
        monkeypatch.setattr("pipeline.viewing.browser.draw", looked_at)  # browsers are slow to start
        assert code == 0, shown
        assert ("\ndiffer       1 point, the worst first\n" in shown) == differ
        assert "\nbeside       agglomerated, 26:42,110:170,320:440 (z, y, x), 40 x 8 x 4 nm\n" in shown
    with Image.open(target) as image:
        halves = np.split(np.asarray(image.convert("RGB")).astype(int), 2, axis=1)
    assert all(np.ptp(half, axis=2).max() > 60 for half in halves)
    assert views == [["segmentation", "beside"], ["segmentation"], ["beside"]]


def test_input_that_is_none_is_one_line(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    (case.folder / "empty").mkdir()
    (case.folder / "loop").symlink_to("loop")
    np.save(case.folder / "colours.npy", np.zeros((4, 5, 6, 3), np.uint8))
    with h5py.File(case.folder / "colours.h5", "w") as file:
        file["raw"] = np.zeros((3, 4, 5, 6), np.uint8)
        file["raw"].attrs["axes"] = "czyx"
        file["nowhere"] = np.zeros((4, 5, 6), np.uint8)
        file["nowhere"].attrs["offset"] = (40, 4, 4)
    run = make_run(case)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, expected in (
            ([], "name a run's folder, or volumes by"),
            ([str(case.folder), "--image", case.image], "name a run's folder, or volumes by"),
            ([str(case.folder / "nothing")], "nothing: no such folder"),
            ([str(case.folder / "loop")], "/loop': links that lead to each other; name a file or a folder"),
            ([str(case.folder / "empty")], "is no run folder: it holds no config.yaml"),
            (["--image", "absent.h5:raw"], "absent.h5: no such file"),
            (
                ["--image", case.image, "--image-origin", "1,2"],
                "--image-origin '1,2' is not of the form Z,Y,X",
            ),
            # what there is no option for here there is for `ffn export`
            (
                ["--image", str(case.folder / "colours.npy")],
                "write it anew by `ffn export`, and there name its axes in --volume-axes, such as czyx",
            ),
            (
                ["--image", f"{case.folder / 'colours.h5'}:raw"],
                "has 3 channels; write it anew by `ffn export`, and there set --volume-channel to one of 0",
            ),
            (
                ["--image", f"{case.folder / 'colours.h5'}:nowhere"],
                "its voxel size is unknown: set --voxel-size, or set --image-origin to where",
            ),
            ([str(run.folder), "--voxel-size", "1,1,1"], "--voxel-size is for volumes"),
            ([str(run.folder), "--image-origin", "1,1,1"], "--image-origin is for --image"),
            (["--image", case.image, "--truth-origin", "1,1,1"], "--truth-origin is for --truth"),
            (["--image", case.image, "--box", "0:1,0:1,0:1"], "--box is for --beside"),
            (["--image", case.image, "--agglomerated"], "--agglomerated is for --beside"),
            ([str(run.folder), "--beside", case.truth], "there is no segmentation to set it beside: no seg"),
            (["--image", case.image, "--beside", case.truth], "set it beside: name one by --segmentation"),
            ([str(run.folder), "--beside", case.truth, "--voxel-size", "1,1,1"], "there is no segmentation"),
            ([str(run.folder), "--beside", str(run.folder), "--voxel-size", "1,1,1"], "--voxel-size is for"),
            ([*volumes(case), "--beside", case.truth, "--agglomerated"], "--agglomerated is for runs"),
            ([*volumes(case), "--beside", case.truth, "--box", "1"], "--box: "),
            ([*volumes(case), "--beside", str(run.folder)], "run are not yet joined"),
            (
                [*volumes(case), "--beside", str(run.folder), "--beside-origin", "1,1,1"],
                "--beside-origin is for volumes",
            ),
            (["--image", case.image, "--port", str(port)], f"port {port} of 127.0.0.1 is in use; set --port"),
        ):
            code, shown = said(main, arguments, monkeypatch, capsys)
            assert code == 1
            assert shown.startswith("error: ")
            assert shown.count("\n") == 1
            assert expected in shown


def test_without_neuroglancer_it_is_asked_for(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "neuroglancer", None)
    code, shown = said(main, ["--image", case.image], monkeypatch, capsys)
    assert (code, shown.count("\n")) == (1, 1)
    assert "pip install 'neuroglancer>=2.40'" in shown
