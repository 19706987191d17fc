"""The program that tells what its own Python environment is good for."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.training.ranks.environment import Environment

REPOSITORY = Path(__file__).parents[4]


def told(*modules: str, search_path: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.training.ranks.environment", *modules]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [search_path, str(REPOSITORY)]))}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)


def test_this_environment_can_train() -> None:
    pytest.importorskip("horovod", reason="Horovod is not installed")
    found = Environment.parse(told("parsl").stdout.splitlines()[-1])
    assert {"parsl", "tensorflow", "horovod"} <= set(found.versions)
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert "gloo" in found.horovod
    assert found.horovod_error is None


def test_a_horovod_that_does_not_fit_is_told_and_the_rest_too(tmp_path: Path) -> None:
    (tmp_path / "horovod").mkdir()
    (tmp_path / "horovod" / "__init__.py").write_text("raise OSError('undefined symbol: _ZN10tensorflow')")
    found = Environment.parse(told(search_path=str(tmp_path)).stdout.splitlines()[-1])
    assert replace(found, versions={}, python="", gpus_by=[], infers_by=[]) == Environment(
        "", {}, [], [], [], "OSError: undefined symbol: _ZN10tensorflow"
    )
    assert "tensorflow" in found.versions


def test_an_environment_without_tensorflow_is_told_of_and_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('No module named tensorflow')")
    found = Environment.parse(told("parsl", search_path=str(tmp_path)).stdout.splitlines()[-1])
    assert found.lacks["tensorflow"] == "ModuleNotFoundError: No module named tensorflow"
    assert "keras" in found.lacks, "whose backend is TensorFlow unless another is named"
    assert (found.gpus_by, found.horovod) == ([], [])
    assert found.horovod_error
    assert "parsl" in found.versions


def test_a_module_that_is_missing_is_the_last_word() -> None:
    ended = told("absent_module")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'absent_module'"
