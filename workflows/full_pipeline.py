"""Train a flood-filling network, segment a volume, reconcile and score it: the whole way, one command.

    python workflows/full_pipeline.py --config configs/demo.yaml

Running the same command again goes on where the last run stopped.
"""

from __future__ import annotations

import signal
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from pipeline.artifacts import publishing
from pipeline.attempts import INTERRUPTED, Attempt, begin
from pipeline.config import RunConfig
from pipeline.config_file import dump_config, load_config
from pipeline.errors import InputError, Superseded
from pipeline.plan import check, resolve
from pipeline.run_folder import Run
from site_configs import check_site
from workflows.dry_run import print_plan

if TYPE_CHECKING:
    from parsl.dataflow.dflow import DataFlowKernel

DEMO = Path(__file__).parent.parent / "configs" / "demo.yaml"
STOP_S = 20
"""How long stopping may take."""


def full_pipeline(
    config: Annotated[Path, typer.Option(help="The run file: what to compute, on which data.")] = DEMO,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where everything is written (default: runs/ and the run file's name)."),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(help="The machine, a module of site_configs/ (default: what the run file says)."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one setting, e.g. training.ranks=4; repeatable."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run, how much work it is and where it goes.")
    ] = False,
) -> None:
    """Train a flood-filling network, segment a volume tile by tile, reconcile and score it.

    Without options it runs the demo: a synthetic volume, two training ranks, a few minutes.
    Run the same command again after a failure: finished work is used, not repeated.
    Ctrl-C stops the run and everything that it started.
    """
    console = Console()
    try:
        settings = load_config(config, [*(overrides or []), *([f"site.name={site}"] if site else [])])
        check_site(settings.site.name)
        raise typer.Exit(_run(settings, run_dir or Path("runs") / config.stem, dry_run, console))
    except (InputError, Superseded) as error:
        _print_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _run(settings: RunConfig, folder: Path, dry_run: bool, console: Console) -> int:
    run = resolve(settings, folder)
    check(run)
    if dry_run:
        print_plan(run, console)
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    configuration = dump_config(run.config)
    say = partial(console.print, highlight=False, soft_wrap=True)
    with begin(run.folder, configuration, say) as attempt:
        with publishing(run.config_file) as temporary:
            temporary.write_text(configuration)
        say(f"run folder {run.folder}")
        code = execute(run, attempt, console)
        attempt.end(code)
    return code


def execute(run: Run, attempt: Attempt, console: Console) -> int:
    """Run every stage of a resolved run on its site; returns the exit code."""
    import parsl

    from site_configs import parsl_config
    from workflows import health
    from workflows.progress import watch
    from workflows.stages import submit
    from workflows.summary import print_failures, print_summary

    code = 1
    kernel = parsl.load(parsl_config(run))
    try:
        stages = submit(run)
        watch(run, stages, console, lambda: health.check(kernel, attempt))
        if any(future.exception() for stage in stages for future in stage.futures):
            print_failures(run, stages, Console(stderr=True))
        else:
            print_summary(run, console)
            code = 0
    except KeyboardInterrupt:
        console.print("stopping; what is finished is kept", highlight=False)
        code = INTERRUPTED
    except (health.InterchangeDied, Superseded) as error:
        _print_error(error)
    finally:
        _stop(kernel, attempt, code)
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


def _print_error(error: Exception) -> None:
    Console(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True, markup=False)


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the `ffn-pipeline` command."""
    # google.api_core, which CloudVolume imports, announces the end of Python versions years ahead.
    warnings.filterwarnings("ignore", category=FutureWarning, module="google")
    typer.run(full_pipeline)


if __name__ == "__main__":
    main()
