"""One attempt on a run: own its folder, let Parsl run every stage, end everything that was started."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline.checkup.before_run import write_warnings
from pipeline.errors import InputError, Superseded
from pipeline.evaluation.stage import set_old_scores_aside
from pipeline.inference.pinning import keep_pin, with_pin
from pipeline.old_layout import move_misplaced
from pipeline.results.artifacts import publishing, remove_temporaries
from pipeline.results.attempts import INTERRUPTED, Attempt, begin
from pipeline.results.finished import Finished
from pipeline.results.gates import AT_A_GATE
from pipeline.run_folder import Run
from pipeline.settings.input_identities import write_kept
from pipeline.settings.run_file import dump_config
from pipeline.training.start import where_training_starts
from pipeline.wording import counted
from site_configs import check_address, remarks
from workflows.command_line import print_error
from workflows.output import KeepingConsole, PlainConsole
from workflows.running.chains import Pipeline
from workflows.signals import stop_on_signals

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel

    from workflows.planning.earlier import OfNow
    from workflows.running.chains import Chain

STOP_S = 20
"""How long stopping may take."""


def work(
    run: Run,
    config: Path,
    console: Console,
    warnings: Sequence[str],
    verify: bool = False,
    quiet: bool = False,
    discard: bool = False,
    passes_gates: bool = False,
    finished: Finished | None = None,
) -> int:
    """Make an attempt on a resolved and checked run; returns the exit code.

    `config` is the run file that was taken. `warnings` are what the checks found doubtful; they are told now
    and kept for those who look later. With `quiet` progress goes to the run's log alone. Results
    of an earlier version's layout are moved to where they are looked for now; unless `discard` says that they
    may be thrown away, that is refused then. With `passes_gates` no gate stops the run. `finished` is what
    was found of the run, and is not looked for again.
    Raises InputError when another driver owns the run folder, or nodes could not reach this one, and
    KeyboardInterrupt on SIGTERM and SIGHUP too.
    """
    from workflows.planning.discards import refuse_to_discard  # Parsl takes a second to import

    check_address(run)
    stop_on_signals()
    configuration = dump_config(run.config)
    with begin(run.folder, configuration, _say(console)) as attempt:
        kept = KeepingConsole.at(run.driver_log)
        say = _say(kept)
        remove_temporaries(run.folder)
        moved = move_misplaced(run)
        if moved:
            say(f"moved {counted(moved, 'file')} of an earlier version to where this one looks for them")
            run, finished = with_pin(run), None
            if not discard:
                finished = refuse_to_discard(run)
        with publishing(run.config_file) as temporary:
            temporary.write_text(configuration)
        write_warnings(run, warnings)
        write_kept(run)
        keep_pin(run)
        say(f"run file {config}")
        say(f"run folder {run.folder}")
        for line in warnings:
            say(f"warning: {line}")
        for line in remarks(run):
            say(line)
        training = where_training_starts(run)
        if training is not None:
            say(str(training))
        earlier = set_old_scores_aside(run)
        if earlier is not None:
            say(f"this run scores nothing; scores of an earlier start are kept in {earlier.name}")
        chain = Pipeline(run, verify, passes_gates, finished)
        code, why = execute(chain, attempt, kept, verify, quiet)
        attempt.end(code, why)
        if chain.of_now is not None:
            _report(run, chain.of_now, say)
    return code


def _report(run: Run, of_now: OfNow, say: Callable[[str], object]) -> None:
    """Write the report of a run that has stopped, for whoever is to judge it."""
    from pipeline.report import write_report_now  # CloudVolume takes seconds to import

    known, untold = of_now
    try:
        write_report_now(run, known)
    except (InputError, Superseded) as error:
        say(f"warning: there is no new report: {error}")
    for line in untold:
        say(f"warning: {line}")


def work_on(
    chain: Chain, warnings: Sequence[str], quiet: bool = False, configuration: str | None = None
) -> int:
    """Make an attempt on a chain that is no whole run, in the folder of its run; returns the exit code.

    `configuration` is kept with the record of the attempt; None: that of the run. Raises as `work` does.
    """
    run = chain.run
    check_address(run)
    stop_on_signals()
    console = PlainConsole()
    with begin(run.folder, configuration or dump_config(run.config), _say(console)) as attempt:
        kept = KeepingConsole.at(run.driver_log)
        remove_temporaries(run.folder)
        write_kept(run)
        for line in (f"folder {run.folder}", *(f"warning: {warning}" for warning in warnings)):
            _say(kept)(line)
        code, why = execute(chain, attempt, kept, quiet=quiet)
        attempt.end(code, why)
    return code


def execute(
    chain: Chain, attempt: Attempt, console: KeepingConsole, verify: bool = False, quiet: bool = False
) -> tuple[int, str]:
    """Run every stage of a chain on its site; returns the exit code, and why where that is not 0."""
    import parsl

    from apps.failures import FailurePolicy
    from apps.memoizer import RecordMemoizer
    from workflows.running import health, jobs
    from workflows.running.gates import failed_stages, held_by
    from workflows.watching.progress import watch

    def check() -> None:
        health.check(kernel, attempt)
        job_log.update(kernel)

    run, code, why = chain.run, 1, ""
    job_log, say = jobs.JobLog(run), _say(console)
    site = chain.parsl_config(RecordMemoizer(verify, say), FailurePolicy(run.failures_log))
    jobs.cancel_leftovers(run, site, say)
    kernel = parsl.load(site)
    try:
        stages = chain.build()
        watch(run, stages, console.kept if quiet else console, check, lambda: jobs.in_queue(kernel))
        failed, closed = failed_stages(stages), held_by(stages)
        if not failed:
            with suppress(InputError):  # a full disk: what was computed is whole all the same
                remove_temporaries(run.folder)  # of workers that died in this attempt
        chain.end(stages, console)
        code, why = (AT_A_GATE, closed) if closed else (0, "")
        if failed:
            code, why = 1, f"tasks failed: {', '.join(failed)}"
    except KeyboardInterrupt as interruption:
        console.print("stopping; what is finished is kept", highlight=False)
        code, why = INTERRUPTED, str(interruption)
    except (health.InterchangeDied, Superseded) as error:
        why = str(error)
        print_error(error)
    finally:
        _stop(kernel, attempt, code, why)
    job_log.update(kernel)
    return code, why


def _stop(kernel: DataFlowKernel, attempt: Attempt, code: int, why: str) -> None:
    """End everything that Parsl started; where Parsl cannot, this process ends too, with exit code `code`."""
    from workflows.running import health

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # a second Ctrl-C must not leave workers behind
    if health.can_stop(kernel):
        stopping = threading.Thread(target=kernel.cleanup, daemon=True)
        stopping.start()
        stopping.join(STOP_S)
        if not stopping.is_alive():
            return
    health.abandon(kernel, attempt, code, why)


def _say(console: Console) -> Callable[[str], None]:
    """Prints a line as it is, however long."""
    return partial(console.print, highlight=False, soft_wrap=True, markup=False)
