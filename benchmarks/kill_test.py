"""Kill one process of a run after the other, at random times, and see that nothing is lost or done twice.

Runs of `small.yaml` are started again and again; in each command up to three times a process of the next
kind is killed by SIGKILL: driver, interchange, manager, worker, training rank, or a whole block. After each
the run may go on by itself; once its driver has ended, no process may be left after 15 s, and the same
command is given again, until the run is complete. Its volume, model and metrics must be byte-identical to
those of a run that nobody disturbed, and no tile that had a completion record may have been computed again.
The last line is JSON; the exit code is 0 only if all of this holds. A kill takes about 20 s on two cores.

    python benchmarks/kill_test.py --kills 100 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from killer import Kill, Killer, Reference, Turns, UndisturbedError
from small_run import FinishedTiles, HangError, Patience, SmallRun

POLL_S = 0.1
MOST_KILLS = 3
"""In one command: more would let no run come to its end."""


@dataclass
class Tally:
    """What happened; the last line of the output."""

    kills: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    by_stage: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    """Kills after which the same command went on by itself."""
    identical: bool = True
    recomputed_finished: int = 0
    orphans: int = 0
    hangs: int = 0
    failed: bool = False
    runs: int = 0
    commands: int = 0
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        wrong = self.recomputed_finished or self.orphans or self.hangs or self.failed
        return self.identical and not wrong


class KillTest:
    """Runs in `folder` that lose processes, and what became of them."""

    def __init__(self, folder: Path, seed: int, options: Sequence[str] = ()) -> None:
        """`options` are added to the command of every run."""
        self.tally = Tally()
        self._folder = folder
        self._options = options
        self._rng = random.Random(seed)
        self._turns = Turns(self._rng)

    def run(self, kills: int, keep: bool = False) -> Tally:
        """Make `kills` kills; the folders of runs that ended well are removed unless `keep` is set."""
        began = time.monotonic()
        try:
            reference = Reference(SmallRun(self._folder / "reference", self._options))
            say(f"undisturbed run: {reference.seconds:.1f} s, {reference.events} events")
            while self.tally.kills < kills:
                run = SmallRun(self._folder / f"run_{self.tally.runs:03d}", self._options)
                self.tally.runs += 1
                same = self._bring_to_end(run, reference, kills)
                if same and not keep:
                    shutil.rmtree(run.home)
        except (UndisturbedError, HangError) as error:
            self.tally.failed = True
            say(str(error))
        self.tally.seconds = round(time.monotonic() - began, 1)
        return self.tally

    def _bring_to_end(self, run: SmallRun, reference: Reference, kills: int) -> bool:
        """Give the run's command until the run is complete, with a kill in each while there are kills to
        make; returns whether its results are the reference's."""
        tiles = FinishedTiles(run)
        complete = False
        while not complete:
            complete = self._command(run, tiles, lambda: self._next_killer(run, reference, kills))
        results = run.results()
        names = results.keys() | reference.results.keys()
        other = sorted(name for name in names if results.get(name) != reference.results.get(name))
        say(f"{run.home.name} is complete: " + (f"OTHER BYTES in {other}" if other else "the same bytes"))
        self.tally.identical &= not other
        return not other

    def _next_killer(self, run: SmallRun, reference: Reference, kills: int) -> Killer | None:
        """Who kills next in this run, if there are kills to make and processes of a kind left to come."""
        if self.tally.kills >= kills:
            return None
        kind = self._turns.take(lambda kind: kind != "rank" or not run.finished("train"))
        return Killer(kind, run, reference, self._rng) if kind else None

    def _command(self, run: SmallRun, tiles: FinishedTiles, next_killer: Callable[[], Killer | None]) -> bool:
        """Give the command once, with a few kills while it lives; returns whether the run is complete."""
        self.tally.commands += 1
        process, patience, hang = run.start(), Patience(run), ""
        killer, killed = next_killer(), list[Kill]()
        try:
            while process.poll() is None:
                if killer and (kill := killer.try_to_kill(process.pid)):
                    self._count(kill, run)
                    killed.append(kill)
                    killer = next_killer() if len(killed) < MOST_KILLS else None
                self._count_made_again(run, tiles)
                patience.check()
                time.sleep(POLL_S)
            orphans = [" ".join(orphan.cmdline())[:100] for orphan in run.orphans()]
        except HangError as error:
            hang, orphans = str(error), []
        finally:
            run.end()
            process.wait()
        self._count_made_again(run, tiles)
        followed = hang or f"exit code {process.returncode}"
        if orphans:
            followed += f", LEFT RUNNING {orphans}"
        self.tally.orphans += len(orphans)
        self.tally.hangs += bool(hang)
        complete = process.returncode == 0 and not hang
        say(f"{run.home.name}: {followed}")
        if not killed and not complete:
            raise UndisturbedError(f"{run.home.name}: nobody disturbed that command\n{run.tail()}")
        if killer:
            self._turns.give_back(killer.kind)
        self.tally.survived += len(killed) - (not complete)
        return complete

    def _count(self, kill: Kill, run: SmallRun) -> None:
        self.tally.kills += 1
        self.tally.by_kind[kill.kind] += 1
        self.tally.by_stage[kill.stage] += 1
        say(f"{self.tally.kills}: {kill} of {run.home.name}")

    def _count_made_again(self, run: SmallRun, tiles: FinishedTiles) -> None:
        for name in tiles.made_again():
            self.tally.recomputed_finished += 1
            say(f"{run.home.name}: {name} was finished and IS MADE AGAIN")


def say(text: str) -> None:
    """Print progress at once, also into a pipe."""
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run-dir", type=Path, help="where the runs are (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all runs")
    options = parser.parse_args()
    folder = options.run_dir or Path(tempfile.mkdtemp(prefix="kill_test_"))
    say(f"runs in {folder}")
    tally = KillTest(folder, options.seed).run(options.kills, options.keep)
    if not options.keep and tally.good and not options.run_dir:
        shutil.rmtree(folder)
    print(json.dumps(vars(tally)))
    sys.exit(0 if tally.good else 1)


if __name__ == "__main__":
    main()
