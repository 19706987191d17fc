"""How Parsl's worker pools get from a job's script to the nodes of the job."""

from __future__ import annotations

from parsl.launchers.base import Launcher


class WithPrefix(Launcher):
    """Starts pools by one line: `prefix` and the pool's command. The line's exit status is the script's.

    Without a prefix there is one pool, where the script runs. Parsl's own launchers for aprun and mpiexec
    hide the exit status of what they start, and with it every failure; that for srun takes the `$` of a path
    for a variable.
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__(debug=False)
        self.prefix = prefix

    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        return f"{self.prefix} {command}".lstrip()
