"""Doctor tells what a run finds around it."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from pipeline.checkup import examine
from pipeline.config import RunConfig
from pipeline.machine.own import REPOSITORY
from pipeline.run_folder import Run
from site_configs.checkup import surroundings


def test_a_good_place_is_found_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}:{tmp_path}:/nowhere")
    checks = (surroundings.home, surroundings.sockets, surroundings.namesakes)
    assert [check().state for check in checks] == ["ok"] * 3
    assert surroundings.names(Run(tmp_path / "a b' [c]", RunConfig())).state == "ok"


def test_what_is_amiss_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setenv("CLOUD_VOLUME_DIR", "/tmp/elsewhere")
    (tmp_path / "pipeline.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "set HOME" in surroundings.home().text
    found = surroundings.namesakes()
    assert (found.state, f"{tmp_path}/pipeline.py" in found.text) == ("warn", True)
    refused = examine(lambda: surroundings.names(Run(tmp_path / "a\nb", RunConfig())))
    assert (refused.state, "choose another --run-dir" in refused.text) == ("FAIL", True)


@pytest.mark.parametrize(
    ("kind", "most", "said"),
    [
        (resource.RLIMIT_AS, 1_200_000_000, "may have 1.2 GB of memory here (ulimit -v, -d): libraries"),
        (resource.RLIMIT_CPU, 3600, "may have 3600 s of CPU time here (ulimit -t) and is ended then"),
    ],
)
def test_limits_that_end_processes_are_told(
    monkeypatch: pytest.MonkeyPatch, kind: int, most: int, said: str
) -> None:
    """What they end otherwise looks like a library that is broken, or ends without a word."""
    free = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (most if asked == kind else free, free))
    assert (surroundings.limits().state, said in surroundings.limits().text) == ("warn", True)
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (free, free))
    assert surroundings.limits().state == "ok"
