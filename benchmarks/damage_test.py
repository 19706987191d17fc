"""Damage a finished run in every way, give the same command again, and see that no result is ever wrong.

A run of `small.yaml` is finished once. Then, one after the other, each kind of artifact and of completion
record is truncated, has one bit flipped, is deleted, or is swapped with another or with that of another
run; the disk gets full in mid-write; write permission is taken away. The same command must then mend it
(`repaired`: exit code 0, every artifact and result has the bytes that it had, nothing is left of the
damage) or end in a clear error (`refused`); all else is `wrong`. Bits that flip without a trace in size or
time of change must be noticed by the same command with --verify. `recomputed_more_than_touched` counts
artifacts that were made again though they were whole. The last line is JSON; the exit code is 0 only if
nothing was wrong. Some 400 damages of about 8 s each on two cores.

    python benchmarks/damage_test.py --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from damages import ARTIFACTS, Damage, damages
from small_run import RECORD, STAGES, TELLS_TIMES, HangError, SmallRun
from trouble import TROUBLES, SkippedError, refusal

FOREIGN_SEEDS = ("--set", "seed=2", "--set", "data.phantom.seed=4")


@dataclass
class Tally:
    """What happened; the last line of the output."""

    damages: int = 0
    repaired: int = 0
    refused: int = 0
    wrong: int = 0
    skipped: list[str] = field(default_factory=list)
    recomputed_more_than_touched: int = 0
    named: int = 0
    """Damages after which the output named a damaged file."""

    def count(self, name: str, outcome: str, remark: str = "") -> None:
        """Note and print the `outcome` of one damage: repaired, refused, wrong, or skipped."""
        if outcome == "skipped":
            self.skipped.append(f"{name}: {remark}")
        else:
            self.damages += 1
            setattr(self, outcome, getattr(self, outcome) + 1)
        print(f"{outcome:<9} {name}" + (f": {remark}" if remark else ""), flush=True)


def finish(run: SmallRun) -> None:
    """Bring a run to its end, and start it once more, which writes the records of groups.

    Raises RuntimeError when it fails.
    """
    for _ in range(2):
        if run.finish() != 0:
            raise RuntimeError(f"the undisturbed run failed:\n{run.tail()}")


class WholeRun:
    """A finished run that nothing has damaged, kept aside so that it can be put back."""

    def __init__(self, run: SmallRun) -> None:
        """Bring `run` to its end; raises RuntimeError when it fails."""
        self.run = run
        finish(run)
        self._aside = run.home / "whole"
        shutil.copytree(run.folder, self._aside)
        self.results = run.results()
        self.artifacts = run.hashes(self._artifacts())
        self.started = run.started()

    def put_back(self) -> None:
        """Make the run folder what it was, times of change included."""
        shutil.rmtree(self.run.folder)
        shutil.copytree(self._aside, self.run.folder)

    def differences(self) -> list[str]:
        """Names of artifacts and results that are missing, are new, or have other bytes."""
        now = self.run.hashes(self._artifacts()) | self.run.results()
        before = self.artifacts | self.results
        return sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))

    def made_again(self) -> set[str]:
        """Names of artifacts whose making began anew since."""
        now = self.run.started()
        return {name for name, began in self.started.items() if now.get(name) != began}

    def voucher_of(self, file: str) -> str | None:
        """The artifact that vouches for a file of the volume, a chunk or its info; both by name."""
        below = file.removeprefix("segmentation/")
        stages = ("write", "volume", "properties", "downsample")
        lists = [path for stage in stages for path in self.run.artifacts(stage)]
        return next((self.run.name(b) for b in lists if f'"{below}"' in b.read_text()), None)

    def _artifacts(self) -> list[Path]:
        return [path for stage in STAGES if stage != TELLS_TIMES for path in self.run.artifacts(stage)]


def try_damage(damage: Damage, whole: WholeRun, tally: Tally) -> None:
    """Do one damage to the whole run, give the command again, and count what follows."""
    run = whole.run
    whole.put_back()
    touched = {name.removesuffix(RECORD) for name in damage.files}
    touched |= {voucher for name in damage.files if (voucher := whole.voucher_of(name))}
    if touched & (report := {run.name(path) for path in run.artifacts(TELLS_TIMES)}):
        touched |= report  # the page shows what the other file tells
    if damage.retrain:
        for path in run.files(ARTIFACTS["train"] + "*"):
            path.unlink()
            touched.add(run.name(path).removesuffix(RECORD))
    before = {name: _content(run, name) for name in damage.files}
    damage.apply()
    damaged = {name: _content(run, name) for name in damage.files}
    foreign = damage.name.endswith("from another run")
    if damaged == before or (foreign and all(_says_the_same(before[n], damaged[n]) for n in damaged)):
        tally.count(damage.name, "skipped", "the other file says the same")
        return
    try:
        code = run.finish(*(["--verify"] if damage.silent else []))
    except HangError as error:
        tally.count(damage.name, "wrong", str(error))
        return
    tally.named += any(Path(name).name in run.output() for name in damage.files)
    if code != 0:
        tally.count(damage.name, *refusal(run, code))
        return
    wrong = whole.differences()
    if not damage.retrain:  # of the checkpoint nothing is left to be made
        wrong += [f"{name} is still damaged" for name in damaged if _content(run, name) == damaged[name]]
    more = sorted(whole.made_again() - touched)
    tally.recomputed_more_than_touched += len(more)
    remarks = wrong + ([f"made again without need: {' '.join(more)}"] if more else [])
    tally.count(damage.name, "wrong" if wrong else "repaired", "; ".join(remarks))


def _says_the_same(one: bytes | None, other: bytes | None) -> bool:
    """Whether two files are equal, or whole records that vouch for the very same recipe and bytes."""
    if one == other:
        return True
    try:
        a, b = json.loads(one or b""), json.loads(other or b"")
        return all(a[key] == b[key] for key in ("fingerprint", "sha256", "size"))
    except (ValueError, KeyError, TypeError):
        return False


def _content(run: SmallRun, name: str) -> bytes | None:
    path = run.folder / name
    return path.read_bytes() if path.exists() else None


def damage_test(folder: Path, seed: int, only: str = "") -> Tally:
    """Try every damage whose name contains `only`, in runs in `folder`."""
    tally = Tally()
    foreign = SmallRun(folder / "foreign", FOREIGN_SEEDS)
    finish(foreign)
    whole = WholeRun(SmallRun(folder / "run"))
    every = list(damages(whole.run, foreign, random.Random(seed)))  # drawn while the run is whole
    for damage in (damage for damage in every if only in damage.name):
        try_damage(damage, whole, tally)
    for name, trouble in TROUBLES.items():
        if only in name:
            try:
                tally.count(name, *trouble(folder / name.replace(" ", "_"), whole.results))
            except SkippedError as reason:
                tally.count(name, "skipped", str(reason))
            except HangError as error:
                tally.count(name, "wrong", str(error))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="try only damages whose name contains this")
    parser.add_argument("--run-dir", type=Path, help="where the runs are (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.run_dir or Path(tempfile.mkdtemp(prefix="damage_test_"))
    print(f"runs in {folder}", flush=True)
    tally = damage_test(folder, options.seed, options.only)
    if not tally.wrong and not options.run_dir:
        shutil.rmtree(folder)
    print(json.dumps(vars(tally)))
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
