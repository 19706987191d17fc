"""How every emulated command runs: what is set to go wrong with it goes wrong here, once for all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.system import System


@dataclass(frozen=True)
class Answer:
    """What a command prints and returns."""

    returncode: int = 0
    stdout: str = ""
    stderr: str = ""


Command = Callable[[System, list[str]], Answer]


def run(command: Command, name: str, folder: Path) -> int:
    """Run one front-end command as a program: arguments from the command line, faults from the state."""
    system = System(folder)
    while time.time() < system.peek().silent_until:
        time.sleep(0.05)
    fault = system.take_fault(name)
    if fault is None:
        answer = command(system, sys.argv[1:])
    else:
        if fault.after:
            system.heard = False
            command(system, sys.argv[1:])
            system.hide_newest(fault.hidden_for)
        time.sleep(fault.delay_s)
        if fault.after or fault.returncode is not None:
            answer = Answer(fault.returncode or 0, "", fault.stderr)
        else:
            answer = command(system, sys.argv[1:])
    sys.stdout.write(answer.stdout)
    sys.stderr.write(answer.stderr)
    return answer.returncode
