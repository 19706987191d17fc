"""SmallRun: one run of `small.yaml`, seen from outside: its command, its files and its processes.

The programs that disturb runs share it. They know the names in a run folder and the records beside
the artifacts, and nothing of the code that makes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[1]
PROGRAM = REPOSITORY / "workflows" / "full_pipeline.py"
RUN_FILE = Path(__file__).with_name("small.yaml")

RECORD = ".done.json"
STAGES = {
    "phantom": "phantom/phantom.h5",
    "sample": "model/coordinates.npy",
    "train": "model/ffn.h5",
    "try": "validation/**/*fovs*[0-9].[hj]*",
    "choose": "validation.json",
    "segment": "tiles/z*/y*/*[0-9].h5",
    "consensus": "tiles/z*/y*/*.consensus.h5",
    "compare": "tiles/reconciliation/evidence/z*/y*/*.h5",
    "join": "tiles/reconciliation/groups/*.h5",
    "merge": "tiles/reconciliation/id_table.h5",
    "correct": "tiles/reconciliation/corrected*.h5",
    "list corrections": "corrections.json",
    "conflicts": "conflicts.json",
    "volume": "tiles/reconciliation/volume.json",
    "write": "tiles/reconciliation/blocks/z*/y*/*.json",
    "measure": "tiles/reconciliation/segments/z*/y*/*.h5",
    "properties": "tiles/reconciliation/properties.json",
    "downsample": "tiles/reconciliation/mips/*/z*/y*/*.json",
    "mesh": "tiles/reconciliation/meshes/*/z*/y*/*.h5",
    "list meshes": "tiles/reconciliation/mesh.h5",
    "store meshes": "tiles/reconciliation/shards/mesh_*/*.json",
    "trace": "tiles/reconciliation/skeletons/z*/y*/*.h5",
    "list skeletons": "tiles/reconciliation/skeletons.h5",
    "store skeletons": "tiles/reconciliation/shards/skeletons_*/*.json",
    "points": "agglomeration/z*/y*/points_*.h5",
    "resegment": "agglomeration/z*/y*/scores_*.h5",
    "agglomerate": "agglomeration.h5",
    "edges": "edges.csv",
    "count": "evaluation/counts/z*/y*/*.npz",
    "score": "metrics.json",
    "worst": "worst.json",
    "report": "report.*",
}
"""Each stage's artifacts, as a pattern below the run folder, in the order in which they are made."""

KEPT = ("train", "agglomerate", "edges", "score", "worst")
"""The stages whose artifacts are results, beside the volume."""

TELLS_TIMES = "report"
"""The stage whose files say when and in which attempt things were made: made anew they are other bytes."""

GONE_S = 15.0
"""How long the processes of a driver that has ended may take to end."""

LOOK_EVERY_S = 2.0
STALLED_S = 180.0
"""A run of which no new record or line of the training log is seen for so long hangs. The ranks start in
10 s, on a busy machine in a minute."""


class SmallRun:
    """A run folder, `home`/run, and the one command that fills it.

    The command is started in `home`, a folder that only this run uses, and all its processes stay there:
    that is how they are found, also when their parents are gone.
    """

    def __init__(self, home: Path, options: Sequence[str] = ()) -> None:
        self.home = home.resolve()
        self.folder = self.home / "run"
        self.output_file = self.home / "output.txt"
        self.options = list(options)

    def start(self, *more: str, before: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
        """Start the command with `more` options; `before` is called in the new process."""
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(PROGRAM), "--config", str(RUN_FILE), "--run-dir", "run"]
        with open(self.output_file, "wb") as output:
            return subprocess.Popen(
                [*command, *self.options, *more],
                cwd=self.home,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=before,
            )

    def finish(self, *more: str, before: Callable[[], None] | None = None) -> int:
        """Run the command to its end; returns its exit code. Raises HangError, with nothing left running."""
        process, patience = self.start(*more, before=before), Patience(self)
        try:
            while process.poll() is None:
                patience.check()
                time.sleep(0.1)
        finally:
            self.end()
            process.wait()
        return process.returncode

    def output(self) -> str:
        """What the last command printed."""
        return self.output_file.read_text(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """The last lines of it, indented."""
        return "\n".join(f"    {line}" for line in self.output().splitlines()[-lines:])

    def files(self, pattern: str) -> list[Path]:
        """Artifacts or records of the run folder that fit `pattern`; temporary files are left out."""
        return sorted(path for path in self.folder.glob(pattern) if not path.name.startswith("."))

    def artifacts(self, stage: str) -> list[Path]:
        """The files of a stage's artifacts, complete or not."""
        return [path for path in self.files(STAGES[stage]) if not path.name.endswith(RECORD)]

    def finished(self, stage: str) -> list[Path]:
        """The completion records of a stage."""
        return self.files(STAGES[stage] + RECORD)

    def started(self, stages: Sequence[str] = tuple(STAGES)) -> dict[str, float]:
        """When the making of each finished artifact began, by name below the run folder; torn records do
        not count."""
        found = {}
        for record in (record for stage in stages for record in self.finished(stage)):
            try:
                began = float(json.loads(record.read_text())["started"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            found[self.name(record).removesuffix(RECORD)] = began
        return found

    def name(self, path: Path) -> str:
        """A path below the run folder, relative to it."""
        return str(path.relative_to(self.folder))

    def events(self) -> int:
        """How much there is to see from outside: completion records and lines of the training log."""
        return self.training_lines() + sum(len(self.finished(stage)) for stage in STAGES)

    def training_lines(self) -> int:
        try:
            return (self.folder / "logs" / "training.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def results(self) -> dict[str, str]:
        """SHA-256 of what the user keeps, by name: every file of the volume, and the artifacts of KEPT.

        A temporary file that a kill has left in the volume counts: it is a difference.
        """
        volume = [path for path in sorted(self.folder.glob("segmentation/**/*")) if path.is_file()]
        kept = [path for stage in KEPT for path in self.artifacts(stage)]
        return self.hashes([*volume, *kept])

    def hashes(self, files: Sequence[Path]) -> dict[str, str]:
        """SHA-256 of files, by name below the run folder."""
        return {self.name(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def processes(self) -> list[psutil.Process]:
        """Every living process of the run: it works in `home` or names it on its command line."""
        found = []
        for process in psutil.process_iter():
            try:
                working = process.cwd()
                named = f"{self.home}/" in " ".join(process.cmdline())
                if (named or f"{working}/".startswith(f"{self.home}/")) and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue  # it has ended, or is not ours
        return found

    def orphans(self) -> list[psutil.Process]:
        """The processes that are left `GONE_S` after the driver has ended."""
        deadline = time.monotonic() + GONE_S
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def end(self) -> None:
        """Kill whatever is left of the run; a process may start another while it is being killed."""
        while left := self.processes():
            for process in left:
                try:
                    process.send_signal(signal.SIGKILL)
                except psutil.NoSuchProcess:
                    continue
            psutil.wait_procs(left, timeout=5)


class HangError(Exception):
    """A run that is alive and does nothing any more."""


class Patience:
    """How long to wait for a run: until nothing new was seen of it for `STALLED_S`."""

    def __init__(self, run: SmallRun) -> None:
        self._run = run
        self._seen = run.events()
        self._since = self._looked = time.monotonic()

    def check(self) -> None:
        """Raise HangError when nothing has happened for too long; looks now and then."""
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        events = self._run.events()
        if events != self._seen:
            self._seen, self._since = events, time.monotonic()
        elif time.monotonic() - self._since > STALLED_S:
            raise HangError(f"nothing happened for {STALLED_S:.0f} s:\n{self._run.tail()}")


class FinishedTiles:
    """Remembers when the making of each finished tile began, to see that none is made again."""

    def __init__(self, run: SmallRun) -> None:
        self._run = run
        self._began: dict[str, float] = {}

    def made_again(self) -> list[str]:
        """Names of the tiles that had a record the last time and now have another or none."""
        before, self._began = self._began, self._run.started(["segment"])
        return [name for name in before if self._began.get(name) != before[name]]
