"""The GPUs of this machine: how many there are, and which of them a process is to use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

VISIBLE = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES", "intel": "ZE_AFFINITY_MASK"}
"""The environment variable that tells a kind's own library which GPUs there are."""

OTHERS_OF_AMD = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
"""They would choose once more, among those that ROCR_VISIBLE_DEVICES has left and numbered anew."""

SHARED_OUT = "FFN_GPUS"
"""KIND:N,N,...: the GPU of each process of a node, in their order there. Without a kind, of whichever is."""

HIDDEN = "none:"
"""The value of SHARED_OUT that lets no process see a GPU."""

VENDORS = {"amd": "0x1002", "intel": "0x8086"}
IN_THE_PROCESSOR = "0000:00:02.0"
"""Where Intel's processors have their graphics, which is no GPU to compute on."""

ANSWER_S = 20


class Gpus(NamedTuple):
    """GPUs of one kind."""

    kind: str
    """nvidia, amd or intel."""
    number: int

    def __str__(self) -> str:
        return f"{self.number} of {self.kind}"


def find(root: Path = Path("/")) -> Gpus | None:
    """The GPUs that the drivers of this machine, or container, show; None where there is none.

    `root` is where its files are looked for.
    """
    counts = {"nvidia": _of_nvidia(root), "amd": _of_amd(root), "intel": _drawing(root, "intel")}
    return next((Gpus(kind, count) for kind, count in counts.items() if count), None)


def usable() -> Gpus | None:
    """Those of `find` that this process may use: an environment variable may name fewer."""
    found = find()
    if found is None:
        return None
    named = _named(VISIBLE[found.kind])
    if named is not None:
        found = Gpus(found.kind, min(found.number, len(named)))
    return found if found.number else None


def share_out(kind: str, numbers: Sequence[str]) -> str:
    """The value of SHARED_OUT that gives the first process of a node the first of `numbers`, and so on."""
    return f"{kind}:{','.join(numbers)}"


def take_own(process: int) -> None:
    """From now on this process, the one of this number on its node, sees its own GPU alone.

    Nothing changes where none are shared out. Where fewer are there than were shared out, it sees none.
    """
    shared = os.environ.pop(SHARED_OUT, "")
    kind, _, listed = shared.partition(":")
    if shared == HIDDEN:
        os.environ.update(dict.fromkeys((*VISIBLE.values(), *OTHERS_OF_AMD), "-1"))
    if not listed:
        return
    found = find() if not kind else None
    kind = kind or (found.kind if found else "")
    if kind not in VISIBLE:
        return
    number = listed.split(",")[process]
    named = _named(VISIBLE[kind])
    if named is not None and number.isdigit():  # the batch system has chosen some of the node's
        number = named[int(number)] if int(number) < len(named) else ""
    os.environ[VISIBLE[kind]] = number
    if kind == "amd":
        for name in OTHERS_OF_AMD:
            os.environ.pop(name, None)


def _named(variable: str) -> list[str] | None:
    """The GPUs that a variable names; None where it is not set."""
    value = os.environ.get(variable)
    return None if value is None else [part for part in value.split(",") if part not in ("", "-1")]


def _of_nvidia(root: Path) -> int:
    """A container is given devices of any number; WSL has no devices, and the driver answers there."""
    devices = [path for path in (root / "dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    known = list((root / "proc/driver/nvidia/gpus").glob("*"))
    if devices or known:
        return len(devices) or len(known)
    if shutil.which("nvidia-smi") is None or root != Path("/"):
        return 0
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=ANSWER_S)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in told.stdout.splitlines())


def _of_amd(root: Path) -> int:
    return _drawing(root, "amd") if (root / "dev/kfd").exists() else 0


def _drawing(root: Path, kind: str) -> int:
    """Render nodes of a vendor, as far as they are given to this container."""
    count = 0
    for node in (root / "dev/dri").glob("renderD*"):
        device = root / "sys/class/drm" / node.name / "device"
        try:
            vendor = (device / "vendor").read_text().strip()
        except OSError:
            continue
        count += vendor == VENDORS[kind] and device.resolve().name != IN_THE_PROCESSOR
    return count
