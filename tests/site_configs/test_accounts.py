"""Accounts of Slurm: one that the user cannot charge is refused before anything is submitted."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

import site_configs
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run

SETTINGS: dict[str, dict[str, Any]] = {
    "perlmutter": {"queue": "debug", "walltime_s": 1200},
    "frontier": {"walltime_s": 1200},
    "slurm": {"walltime_s": 1200, "ranks_per_node": 2},
}


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the user's associations are, as `sacctmgr` prints them; this machine has no accounting to ask."""
    answer, command = tmp_path / "answer", tmp_path / "sacctmgr"
    asked = f"$* == *' associations user={getpass.getuser()} format=account'"
    command.write_text(f"#!/bin/bash\n[[ {asked} ]] && exec /bin/cat {answer}\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FFN_ACCOUNT", raising=False)
    return answer


def check(name: str, account: str) -> None:
    site = {"name": name, "account": account, **SETTINGS[name]}
    site_configs.check(Run(Path("/scratch/run"), RunConfig.model_validate({"site": site})))


@pytest.mark.parametrize("name", SETTINGS)
def test_an_account_that_the_user_does_not_have_is_refused_with_those_that_there_are(
    answer: Path, name: str
) -> None:
    answer.write_text("m1234\nm1234_g\nem\n")
    with pytest.raises(InputError, match=r"site\.account: 'm4321' is not among yours; there are em, m1234, "):
        check(name, "m4321")
    check(name, "m1234")
    check(name, "EM")


def test_an_account_for_gpus_alone_goes_by_its_plain_name(answer: Path) -> None:
    answer.write_text("m77_g\n")
    check("perlmutter", "m77")


@pytest.mark.parametrize("name", SETTINGS)
def test_where_slurm_tells_nothing_it_has_the_last_word(answer: Path, name: str) -> None:
    answer.write_text("")
    check(name, "m4321")
    answer.unlink()
    check(name, "m4321")
