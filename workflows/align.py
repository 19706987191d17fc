"""Montage the tiles of sections and align the sections into a volume.

    python workflows/align.py --config mysections.yaml --run-dir runs/sections

Running the same command again goes on where the last run stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from typing import Annotated

import typer

from pipeline.checkup.foreign import refuse_foreign
from pipeline.checkup.sections import doubts
from pipeline.errors import InputError
from pipeline.run_files import ALIGN_CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.settings.align_file import as_run, dump_align_config, load_align_config
from site_configs import check as check_machine
from site_configs import with_defaults
from site_configs.described import lasting
from workflows.command_line import QuietOption, SiteOption, start
from workflows.output import PlainConsole
from workflows.running.aligning import Aligning
from workflows.running.execution import work_on


def align(
    run_dir: Annotated[Path, typer.Option(help="Where everything is written.")],
    config: Annotated[
        Path | None,
        typer.Option(help="The settings: tables of tiles, and how (default: those kept in --run-dir)."),
    ] = None,
    site: SiteOption = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change one setting, e.g. alignment.grid=64; repeatable."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be made and why, and how much it is.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Montage the tiles of sections and align the sections into a volume that `ffn run` can segment.

    Run the same command again after a failure: finished work is used, not repeated. What other settings or
    other images decide is made again.
    """
    from pipeline.sections.stack import read_stack  # which loads SciPy

    path = config or run_dir / ALIGN_CONFIG_NAME
    if config is None and not path.is_file():
        raise InputError(
            f"{run_dir} holds no {ALIGN_CONFIG_NAME} of an earlier start: name the settings by --config"
        )
    settings = load_align_config(path, [*_at(site, afresh=config is None), *(overrides or [])])
    run = Run(run_dir.resolve(), with_defaults(as_run(settings)))
    refuse_foreign(run.folder)
    check_machine(run)
    stack, sections = read_stack(settings, run.folder)
    doubtful = doubts(stack, sections)
    if dry_run:
        from workflows.planning.align_plan import print_align_plan  # Parsl takes a second to import

        print_align_plan(run, stack, sections, doubtful, PlainConsole())
        raise typer.Exit(0)
    chain = Aligning(run, stack, sections)
    raise typer.Exit(work_on(chain, doubtful, quiet, dump_align_config(settings)))


def _at(site: str | None, afresh: bool) -> list[str]:
    """What `--site` changes; `afresh`, the settings of the machine of an earlier start are left behind."""
    if site is None:
        return []
    return [*(["site={}"] if afresh else []), f"site.name={lasting(site)}"]


def main() -> None:
    """Entry point of the script."""
    start(align)


if __name__ == "__main__":
    main()
