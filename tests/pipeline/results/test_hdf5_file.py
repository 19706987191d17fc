"""HDF5 files that can not be written whole are not published, and none is locked to be read."""

from __future__ import annotations

import ast
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.results.hdf5_file import reading_hdf5, write_hdf5

ROOT = Path(__file__).parents[3]
IN_MEMORY = ("buffer", "io.BytesIO(content)", "watched")
"""What is made there, or written by Python's own files."""

LIMITED = """
import resource, sys
from pathlib import Path
import h5py, numpy as np
from pipeline.results.artifacts import publishing
from pipeline.config import Phantom, RunConfig, Data
from pipeline.results.hdf5_file import write_hdf5
from pipeline.run_folder import Run
from pipeline.synthetic import make_phantom
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
"""

SMALL_FILE = """
with publishing(folder / "a") as path:
    write_hdf5(path, lambda file: file.create_dataset("a", data=np.zeros(100_000), chunks=(1000,)))
"""

PHANTOM = """
make_phantom(Run(folder, RunConfig(data=Data(phantom=Phantom(shape=(48, 48, 48))))))
"""


@pytest.mark.parametrize(("program", "name"), [(SMALL_FILE, "a"), (PHANTOM, "phantom.h5")])
def test_where_the_file_system_takes_only_a_part_nothing_is_published(
    tmp_path: Path, program: str, name: str
) -> None:
    """As on a full disk; h5py on its own ignores it when the last chunks of a dataset can not be written."""
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED + program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("pipeline.errors.InputError: cannot write")
    assert last.endswith(f"{name}: File too large; make room, then run the same command again")
    assert [file for _, _, files in os.walk(tmp_path) for file in files] == []


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_hdf5(
            tmp_path / name, lambda file: file.create_dataset("x", data=np.arange(9), track_times=False)
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with h5py.File(tmp_path / "a") as file:
        np.testing.assert_array_equal(file["x"][()], np.arange(9))


def test_a_file_of_a_run_is_read_where_it_cannot_be_locked(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a", lambda file: file.update({"a": np.arange(5)}))
    with open(tmp_path / "a", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="unable to lock"):
            h5py.File(tmp_path / "a", "r")
        with reading_hdf5(tmp_path / "a") as file:
            assert file["a"][()].tolist() == [0, 1, 2, 3, 4]


def test_nothing_but_volumes_of_users_is_locked() -> None:
    """Where the file system has no locks HDF5 refuses to open and to make files, but for those in memory."""
    locked = []
    for source in sorted(
        path for part in ("pipeline", "apps", "workflows") for path in (ROOT / part).rglob("*.py")
    ):
        calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
        for call in (call for call in calls if ast.unparse(call.func) == "h5py.File"):
            opened, said = ast.unparse(call.args[0]), [ast.unparse(word) for word in call.keywords]
            if "locking=False" not in said and opened not in IN_MEMORY:
                locked.append(str(source.relative_to(ROOT)))
    assert locked == ["pipeline/volumes/hdf5_file.py"]
