"""Check, before a job is queued, whether a run can work on a machine: one line a check, and what mends it.

python workflows/doctor.py --site perlmutter --config my.yaml --run-dir $SCRATCH/run1
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

import site_configs
from pipeline.checkup import Check, Finding, examine, failed, ok, skip
from pipeline.checkup import folder as run_folders
from pipeline.checkup.before_run import CHECKS, NEED_NO_INPUT
from pipeline.checkup.engine import compiled, counting
from pipeline.checkup.file_system import sharing
from pipeline.checkup.finding import FAIL
from pipeline.checkup.resources import cores
from pipeline.machine.own import REPOSITORY
from pipeline.run_folder import Run
from pipeline.settings.estimate import plan
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import load_config, read_config
from pipeline.wording import counted
from site_configs.checkup import surroundings
from workflows.command_line import (
    ConfigOption,
    RunDirOption,
    SetOption,
    SiteOption,
    all_overrides,
    run_file,
    run_folder,
    start,
)

PATIENCE_S = 20.0


def doctor(
    config: ConfigOption = None,
    run_dir: RunDirOption = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the scheduler may take to answer.")
    ] = PATIENCE_S,
) -> None:
    """Check whether a run can work on a machine, before a job is queued.

    One line a check: ok, warn, FAIL with what mends it, or skip.
    The exit code is 1 if one failed.
    No job is submitted, and nothing stays on the disk.
    """
    config = run_file(config, run_dir)
    run, loaded = _load(config, all_overrides(config, overrides, site), run_folder(run_dir, config))
    listed = checks(run, loaded, patience)
    width = max(len(what) for what, _ in listed)
    has_failed = False
    for what, check in listed:
        finding = examine(check)
        has_failed |= finding.state == FAIL
        print(f"{finding.state:4}  {what:{width}}  {finding.text}", flush=True)
    raise typer.Exit(int(has_failed))


def checks(run: Run, loaded: Finding, patience_s: float = PATIENCE_S) -> list[tuple[str, Check]]:
    """All checks of a run, by name, in the order in which they are made.

    `loaded` is what came of loading the run: if it failed, what needs a resolved run is left out.
    """
    from site_configs.checkup import scheduler  # these load Parsl, which takes a second
    from site_configs.checkup.address import address
    from site_configs.checkup.environment import JobEnvironment
    from site_configs.checkup.login import login
    from site_configs.checkup.trial import trial

    environment = JobEnvironment(run)
    on_nodes = len(site_configs.commands(run)) > 0

    def resolved(check: Callable[[Run], Finding]) -> Check:
        return partial(skip, "mend the run file first") if loaded.state == FAIL else partial(check, run)

    def shared(path: Path) -> Check:
        return partial(sharing, path) if on_nodes else partial(skip, "this site is one machine")

    def here(check: Callable[[Run], Finding]) -> Check:
        return partial(skip, "the work is done on nodes") if on_nodes else partial(check, run)

    return [
        ("run file", lambda: loaded),
        *(
            (what, partial(check, run) if what in NEED_NO_INPUT else resolved(check))
            for what, check in CHECKS
        ),
        ("commands", partial(scheduler.commands, run)),
        ("launcher", partial(scheduler.launcher, run)),
        ("scheduler", partial(scheduler.answer, run, patience_s)),
        ("job", partial(scheduler.job, run)),
        ("submission", partial(trial, run, patience_s)),
        ("login node", partial(login, run)),
        ("limits", surroundings.limits),
        ("environment", environment.imports),
        ("horovod", environment.horovod),
        ("gpus", environment.gpus),
        ("names", partial(surroundings.names, run)),
        ("namesakes", surroundings.namesakes),
        ("home", surroundings.home),
        ("sockets", surroundings.sockets),
        ("locks", partial(run_folders.locks, run.folder)),
        ("clock", partial(run_folders.clock, run.folder)),
        ("run folder shared", shared(run.folder)),
        ("program shared", shared(REPOSITORY)),
        ("environment shared", shared(Path(sys.prefix))),
        ("address", partial(address, run)),
        ("cores", here(cores)),
        ("engine", here(compiled)),
        ("counting", counting),
    ]


def _load(config: Path, overrides: list[str], folder: Path) -> tuple[Run, Finding]:
    """The run, resolved if it can be, and what came of that. Raises InputError where there is no run file."""
    settings = site_configs.with_defaults(read_config(config, overrides))
    try:
        run = resolve(site_configs.with_defaults(load_config(config, overrides)), folder)
    except Exception as error:  # an InputError, or whatever the library that reads a volume ends in
        return Run(folder.resolve(), settings), failed(error)
    return run, ok(f"{config}: {counted(plan(run).tiles, 'tile')} over {run.inference_box}")


def main() -> None:
    """Entry point of the `ffn-doctor` command."""
    start(doctor)


if __name__ == "__main__":
    main()
