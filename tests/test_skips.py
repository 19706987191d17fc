"""A test that is skipped and should not be ends continuous integration; those expected do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.skips import unexpected

PROGRAM = Path(__file__).parent / "skips.py"
SUMMARY = """=========================== short test summary info ============================
SKIPPED [5] tests/pipeline/volumes/test_every_format.py:99: this format keeps all voxels in one file
SKIPPED [1] tests/conftest.py:39: FIB-25 sample not found: set FFN_DATA to its folder
{more}
1040 passed, 6 skipped in 600.00s
"""
NO_SLURM = "SKIPPED [7] tests/real_slurm.py:28: no munged, slurmctld: apt-get install slurm-wlm munge"


def ended(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PROGRAM)], input=text, capture_output=True, text=True)


def test_what_does_not_apply_to_a_machine_may_be_skipped() -> None:
    assert ended(SUMMARY.format(more="")).returncode == 0


def test_a_missing_slurm_is_noticed() -> None:
    done = ended(SUMMARY.format(more=NO_SLURM))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == NO_SLURM
    assert done.stdout.startswith(SUMMARY.format(more=NO_SLURM))


def test_what_this_very_suite_skips_for_want_of_a_program_is_not_expected() -> None:
    reasons = (
        "Horovod is not installed",
        "no MPICH: apt-get install mpich",
        "no Chromium or Chrome is on PATH",
    )
    lines = [f"SKIPPED [1] tests/test_a.py:1: {reason}" for reason in reasons]
    assert unexpected(lines) == lines
