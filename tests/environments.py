"""Python environments that tests make."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def new_environment(folder: Path) -> Path:
    """The Python of a new environment, not activated: it has the libraries of this one, not this program.

    Python does not follow the .pth files of folders that another .pth file names: how this program is
    installed for development is not seen.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for script in ("interchange.py", "process_worker_pool.py"):
        shutil.copy(Path(sys.executable).parent / script, folder / "bin")
    return folder / "bin" / "python"
