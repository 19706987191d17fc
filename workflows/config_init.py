"""`ffn config init IMAGE`: a run file for a volume of the user's own, commented, ready to plan."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.checkup.before_run import OF_THE_MACHINE, check, warnings_of
from pipeline.errors import InputError
from pipeline.results.artifacts import install, install_first, temporary_for
from pipeline.results.unreadable import is_there
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import parse_config
from pipeline.settings.yaml_text import read_yaml
from site_configs import with_defaults
from workflows.command_line import SetOption, run_folder

DEFAULT = Path("my.yaml")


def init(
    image: Annotated[
        str,
        typer.Argument(metavar="IMAGE", help="FILE.h5:DATASET, a folder, s3://... as in data.image."),
    ],
    truth: Annotated[str | None, typer.Option(metavar="LABELS", help="Objects to learn from.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The run file to write.")] = DEFAULT,
    overrides: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Look into a volume and write a run file for it: sizes, boxes and tiles that fit, each with its reason.

    What the volume does not say itself is said with --set, such as data.voxel_size_nm='[40, 4, 4]'.
    """
    from workflows.proposing.commented import commented
    from workflows.proposing.proposal import NO_NETWORK, propose

    if not force:
        _refuse_to_overwrite(output)
    proposal = propose(image, truth, overrides or [])
    header = ["Written by ffn config init, which has looked at:", *proposal.found]
    text = commented(proposal.document, proposal.remarks, header)
    warnings = _check(text, output) if proposal.is_ready else []
    _write(text, output, force)
    print(*proposal.found, *(f"warning    {line}" for line in warnings), sep="\n")
    print(f"written    {output}")
    if proposal.is_ready:
        print(f"now        ffn plan --config {shlex.quote(str(output))}")
    else:
        print(f"to do      {NO_NETWORK} in {output}")


def _check(text: str, path: Path) -> list[str]:
    """What a plan of the run would warn of. Raises InputError where it would be refused, wherever it is to be
    written."""
    settings = with_defaults(parse_config(read_yaml(text), source=str(path)))
    absolute = settings.model_copy(update={"data": settings.data.model_copy(update={"folder": None})})
    return warnings_of(check(resolve(absolute, run_folder(None, path)), told=OF_THE_MACHINE))


def _write(text: str, path: Path, force: bool) -> None:
    """Write the file whole, or not at all. Raises InputError."""
    with temporary_for(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if force:
            install({temporary: path})
        elif not install_first(temporary, path):
            _refuse_to_overwrite(path)


def _refuse_to_overwrite(path: Path) -> None:
    if is_there(path):
        raise InputError(f"{path} is there already: name another file by -o, or overwrite it by --force")
