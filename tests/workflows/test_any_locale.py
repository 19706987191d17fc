"""A command ends well where the locale is not UTF-8 or its folder is gone, or says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.settings.run_file import dump_config

FFN = str(Path(__file__).parents[2] / "workflows" / "ffn.py")
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""Names of files are ASCII, and all that is printed."""
PRINTS_ASCII = {"PYTHONIOENCODING": "ascii"}
LATIN = os.fsdecode(b"caf\xe9")
"""A name that is no UTF-8."""
BOX = {"inference": {"box": "0:64,0:64,0:64"}}


def ends(folder: Path | str, arguments: list[str], **environment: str) -> tuple[int, str, str]:
    """Exit code and output of a command that is given in a folder."""
    ended = subprocess.run(
        [sys.executable, FFN, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


@pytest.fixture
def volume(tmp_path: Path) -> str:
    with h5py.File(tmp_path / "naïve.h5", "w") as file:
        file["日本"] = np.arange(4096, dtype=np.uint8).reshape(16, 16, 16)
    return "naïve.h5:日本"


def test_what_cannot_be_printed_as_it_is_ends_nothing(tmp_path: Path, volume: str) -> None:
    arguments = ["config", "init", volume, "--set", "data.voxel_size_nm=[40, 4, 4]"]
    code, shown, _ = ends(tmp_path, arguments, **PRINTS_ASCII)
    assert code == 0
    assert r"na\xefve.h5:\u65e5\u672c: HDF5" in shown
    assert "日本" in (tmp_path / "my.yaml").read_text(encoding="utf-8")


def test_where_the_terminal_has_no_width_a_plan_is_printed_all_the_same(tmp_path: Path) -> None:
    code, shown, _ = ends(tmp_path, ["plan", "--config", "demo", "--run-dir", "run"], COLUMNS="0")
    assert code == 0
    assert "segment" in shown


def test_names_that_the_locale_has_no_characters_for_are_told_with_the_way_out(
    tmp_path: Path, volume: str
) -> None:
    (tmp_path / "run.yaml").write_text(f'data: {{image: "{volume}"}}\n', encoding="utf-8")
    code, _, said = ends(tmp_path, ["plan", "--config", "run.yaml"], **ASCII)
    assert code == 1
    assert said.startswith(r"error: 'na\xefve.h5")
    assert said.endswith("set PYTHONUTF8=1 in the environment, or a locale in UTF-8\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "environment"),
    [(LATIN, {}), ("é", ASCII), ("é", PRINTS_ASCII), (LATIN, PRINTS_ASCII)],
)
def test_a_report_is_utf_8_in_every_locale(tmp_path: Path, name: str, environment: dict[str, str]) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "config.yaml").write_text(dump_config(RunConfig.model_validate(BOX)))
    code, shown, said = ends(tmp_path, ["report", name], **environment)
    assert code == 0, said
    assert f"{name}/report.html" in shown or environment == PRINTS_ASCII
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_was_removed_below_the_shell_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'rmdir "{gone}" && exec "{sys.executable}" "{FFN}" plan'
    ended = subprocess.run(["bash", "-c", command], cwd=gone, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: the folder that this shell is in was removed: change into one that is there (cd)\n"
    )
