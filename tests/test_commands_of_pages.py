"""Every command that a page shows is run: here, as a user types it, or by the test or step that is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from pipeline.synthetic import Phantom
from tests.commands_of_pages import AT_A_DESK, ELSEWHERE, THOROUGH, Form, forms
from tests.documented_commands import commands
from tests.test_docs import PAGES, REPOSITORY
from tests.tiny_run import RUN_FILE

STUDY = "--config my.yaml --run-dir runs/studies --fovs 60 --set training.ranks=1 --set training.batch_size=1"
"""Studies with the same trainings share them."""
LONGEST_S = 1800


class Desk:
    """A folder with a user's volumes and run file, in which commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        phantom = Phantom((48, 48, 112), seed=3)  # that of the run file
        for name, dataset, voxels in (
            ("em.h5", "raw", phantom.image(phantom.box)),
            ("traced.h5", "labels", phantom.labels(phantom.box)),
        ):
            with h5py.File(folder / name, "w") as file:
                file[dataset] = voxels
                file[dataset].attrs["voxel_size_nm"] = (10, 10, 10)
        (folder / "my.yaml").write_text(RUN_FILE)
        tools = folder / "bin"
        tools.mkdir()
        for name, code in (
            ("ffn", f'exec "{sys.executable}" -c "from workflows.ffn import main; main()" "$@"'),
            ("python", f'exec "{sys.executable}" "$@"'),
        ):
            (tools / name).write_text(f"#!/bin/sh\n{code}\n")
            (tools / name).chmod(0o755)

    def type(self, line: str) -> None:
        """Have the shell run a line; fails unless it ended well."""
        line = line.replace("workflows/", f"{REPOSITORY}/workflows/")
        line = line.replace("benchmarks/", f"{REPOSITORY}/benchmarks/").replace("STUDY", STUDY)
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self.folder),
        }
        # a shell that stays, as a user's: completion asks which it is
        line = line.replace("REPOSITORY", str(REPOSITORY)) + "\nexit $?"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_S,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.mark.slow
@pytest.mark.parametrize("line", AT_A_DESK.strip().splitlines())
def test_a_command_of_the_pages_ends_well(desk: Desk, line: str) -> None:
    if "runs/" in line or "STUDY" in line:
        pytest.importorskip("horovod", reason="Horovod is not installed")
    desk.type(line)


@pytest.mark.thorough
@pytest.mark.parametrize("line", THOROUGH.strip().splitlines())
def test_a_long_command_of_the_pages_ends_well(desk: Desk, line: str, request: pytest.FixtureRequest) -> None:
    if "FIB25" in line:
        line = line.replace("FIB25", str(request.getfixturevalue("fib25")))
    desk.type(line)


def test_every_command_of_the_pages_is_run_somewhere() -> None:
    run = forms("\n".join([AT_A_DESK, THOROUGH, *ELSEWHERE]))
    shown = {(page.name, Form.of(command)) for page in PAGES for command in commands(page.read_text())}
    assert len(shown) > 50
    never = [(page, form) for page, form in shown if not any(form.is_covered_by(other) for other in run)]
    assert not never


@pytest.mark.parametrize(("line", "where"), ELSEWHERE.items())
def test_what_runs_elsewhere_is_there(line: str, where: str) -> None:
    name, _, test = where.partition("::")
    source = (REPOSITORY / name).read_text()
    assert f"def {test}(" in source if test else re.search(rf"{line}\b", source)


def test_a_command_is_run_where_one_with_its_words_and_options_is() -> None:
    (shown, other, bare, target) = forms("ffn study curves --repeats 2\nffn study curves\nffn\nmake A=1 docs")
    assert bare.is_covered_by(other)
    assert other.is_covered_by(shown)
    assert not shown.is_covered_by(other)
    assert not target.is_covered_by(bare)
    assert target.options == {"A"}
