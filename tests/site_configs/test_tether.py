"""The process that hands out tasks, as it is started on a login node."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
from pathlib import Path

from pipeline.machine.own import module_command


def test_it_may_have_as_many_connections_as_the_machine_allows(tmp_path: Path) -> None:
    """One a node: with the 1024 files that a login often has at first, later nodes would wait without end."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    script, output = tmp_path / "script.py", tmp_path / "output"
    script.write_text("import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))")
    command = module_command("site_configs.tether", str(os.getpid()), str(output), str(script))
    limited = f"ulimit -Sn 256; exec {shlex.join(command)}"
    subprocess.run(["bash", "-c", limited], check=True)
    assert output.read_text().split() == [str(most)] * 2
