"""Train a flood-filling network, segment a volume, reconcile and score it: the whole way, one command.

    python workflows/full_pipeline.py --config configs/demo.yaml

Running the same command again goes on where the last run stopped.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from pipeline.artifacts import publishing, remove_temporaries
from pipeline.attempts import INTERRUPTED, Attempt, begin
from pipeline.config_file import dump_config
from pipeline.errors import InputError, Superseded
from pipeline.plan import check, resolve
from pipeline.run_folder import Run
from site_configs import check as check_machine
from site_configs import check_address
from workflows.command_line import (
    DEMO,
    ConfigOption,
    RunDirOption,
    SetOption,
    SiteOption,
    load_settings,
    print_error,
    run_folder,
    start,
)

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel

STOP_S = 20
"""How long stopping may take."""


def full_pipeline(
    config: ConfigOption = DEMO,
    run_dir: RunDirOption = None,
    site: SiteOption = None,
    overrides: SetOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would run and why, how much work it is, where it goes."),
    ] = False,
    rates: Annotated[
        Path | None,
        typer.Option(metavar="RUN_DIR", help="With --dry-run: tell costs by what another run measured."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget-node-hours",
            metavar="HOURS",
            min=0,
            help="With --dry-run: compare tiles and overlaps, and suggest those that fit.",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every finished file again and compare its SHA-256.")
    ] = False,
) -> None:
    """Train a flood-filling network, segment a volume tile by tile, reconcile and score it.

    Without options it runs the demo: a synthetic volume, two training ranks, a few minutes.
    Run the same command again after a failure: finished work is used, not repeated.
    Ctrl-C stops the run and everything that it started.
    """
    console = Console()
    if not dry_run and (rates is not None or budget is not None):
        raise InputError("--rates and --budget-node-hours go with --dry-run")
    settings = load_settings(config, overrides, site)
    folder = run_folder(run_dir, config)
    run = resolve(settings, folder)
    check(run)
    check_machine(run)
    if dry_run:
        _plan(run, console, rates, budget, verify)
        raise typer.Exit(0)
    raise typer.Exit(work(run, console, verify))


def _plan(run: Run, console: Console, rates: Path | None, budget: float | None, verify: bool) -> None:
    """Print the plan of a run, with its costs by its own finished tiles, or by the rates of another run."""
    from workflows.dry_run import print_plan
    from workflows.rates import measure, read_rates

    print_plan(run, console, read_rates(rates, run) if rates else measure(run), budget, verify)


def work(run: Run, console: Console, verify: bool = False) -> int:
    """Make an attempt on a resolved and checked run; returns the exit code.

    Raises InputError when another driver owns the run folder, or nodes could not reach this one, and
    KeyboardInterrupt on SIGTERM too.
    """
    check_address(run)
    signal.signal(signal.SIGTERM, _interrupt)
    configuration = dump_config(run.config)
    say = _say(console)
    with begin(run.folder, configuration, say) as attempt:
        remove_temporaries(run.folder)
        with publishing(run.config_file) as temporary:
            temporary.write_text(configuration)
        say(f"run folder {run.folder}")
        code = execute(run, attempt, console, verify)
        attempt.end(code)
    return code


def execute(run: Run, attempt: Attempt, console: Console, verify: bool = False) -> int:
    """Run every stage of a resolved run on its site; returns the exit code."""
    import parsl

    from apps.failures import FailurePolicy
    from apps.memoizer import RecordMemoizer
    from site_configs import parsl_config
    from workflows import health, jobs
    from workflows.progress import watch
    from workflows.rates import measure, write_rates
    from workflows.stages import build, call
    from workflows.summary import print_failures, print_summary

    def check() -> None:
        health.check(kernel, attempt)
        job_log.update(kernel)

    code, job_log = 1, jobs.JobLog(run)
    say = _say(console)
    site = parsl_config(run, RecordMemoizer(verify, say), FailurePolicy(run.failures_log))
    jobs.cancel_leftovers(run, site, say)
    kernel = parsl.load(site)
    try:
        stages = build(run, call)
        watch(run, stages, console, check, lambda: jobs.in_queue(kernel))
        if any(future.exception() for stage in stages for future in stage.tasks):
            print_failures(run, stages, Console(stderr=True))
        else:
            remove_temporaries(run.folder)  # of workers that died in this attempt
            with suppress(InputError):  # a full disk: what was computed is whole all the same
                write_rates(run, measure(run))
            if run.only is None:
                print_summary(run, console)
            code = 0
    except KeyboardInterrupt:
        console.print("stopping; what is finished is kept", highlight=False)
        code = INTERRUPTED
    except (health.InterchangeDied, Superseded) as error:
        print_error(error)
    finally:
        _stop(kernel, attempt, code)
    job_log.update(kernel)
    return code


def _stop(kernel: DataFlowKernel, attempt: Attempt, code: int) -> None:
    """End everything that Parsl started; where Parsl cannot, this process ends too, with exit code `code`."""
    from workflows import health

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # a second Ctrl-C must not leave workers behind
    if health.can_stop(kernel):
        stopping = threading.Thread(target=kernel.cleanup, daemon=True)
        stopping.start()
        stopping.join(STOP_S)
        if not stopping.is_alive():
            return
    health.abandon(kernel, attempt, code)


def _say(console: Console) -> Callable[[str], None]:
    """Prints a line as it is, however long."""
    return partial(console.print, highlight=False, soft_wrap=True, markup=False)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the `ffn-pipeline` command."""
    # where the disk is full, the one line about it must not drown in those of loggers that cannot write
    logging.raiseExceptions = False
    start(full_pipeline)


if __name__ == "__main__":
    main()
