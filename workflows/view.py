"""Look at a run, or at any volumes, in Neuroglancer: image, segmentation, truth and the worst errors.

python workflows/view.py runs/demo
python workflows/view.py --image em.h5:raw --segmentation precomputed://seg --truth gt.zarr
python workflows/view.py runs/demo --beside runs/other
python workflows/view.py runs/demo --screenshot demo.png
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import os
import signal
import socket
from collections.abc import Iterable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.machine.user import user_name
from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME, CONFIG_NAME, RunFiles
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.viewing.links import ADDRESS, PORT
from pipeline.volumes import Choice
from workflows.command_line import kept_run_file, start
from workflows.output import PlainConsole
from workflows.volume_options import choice_of, numbers, parsed_box

if TYPE_CHECKING:
    from pipeline.viewing.layers import Shown

ORIGIN = "Where its first voxel lies, in voxels."
SUBMITTED_FROM = ("SLURM_SUBMIT_HOST", "PBS_O_HOST")
"""What names the login node in a job, whose own nodes are not seen from elsewhere."""
LACKS = ("level", "channel", "axes")
"""What no option chooses of a volume."""


def view(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[RUN_DIR]", help="The folder of a run, ended or not.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="A volume, named as in a run file.")] = None,
    segmentation: Annotated[str | None, typer.Option(help="The same, of segments' ids.")] = None,
    truth: Annotated[str | None, typer.Option(help="The same, of true objects' ids.")] = None,
    beside: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_OR_VOLUME",
            help="Another segmentation of this image, to be seen beside it, with where the two differ most.",
        ),
    ] = None,
    agglomerated: Annotated[
        bool, typer.Option("--agglomerated", help="Of the run beside, the ids that agglomeration gives.")
    ] = False,
    box: Annotated[
        str | None, typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="Compare the two in this box alone.")
    ] = None,
    voxel_size: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="In nm; goes before what the volumes' files say.")
    ] = None,
    image_origin: Annotated[str | None, typer.Option(metavar="Z,Y,X", help=ORIGIN)] = None,
    segmentation_origin: Annotated[str | None, typer.Option(metavar="Z,Y,X", help=ORIGIN)] = None,
    truth_origin: Annotated[str | None, typer.Option(metavar="Z,Y,X", help=ORIGIN)] = None,
    beside_origin: Annotated[str | None, typer.Option(metavar="Z,Y,X", help=ORIGIN)] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help=f"Of {ADDRESS}, to listen at; 0 takes one that is free.")
    ] = PORT,
    screenshot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Have the scene drawn into this file by Chromium, and end."),
    ] = None,
) -> None:
    """Show a run, or any volumes, in Neuroglancer: in a browser here, or elsewhere through a tunnel.

    It only reads, so a run can be looked at while it is at work. Ctrl-C ends it.
    """
    _look_for_neuroglancer()
    from pipeline.viewing.browser import draw
    from pipeline.viewing.differing import compare
    from pipeline.viewing.layers import layers_of_volumes
    from pipeline.viewing.server import ViewServer

    size = numbers(voxel_size, float, "--voxel-size")
    volumes = {
        name: (uri, choice_of(name, origin, size=size, lacks=LACKS))
        for name, uri, origin in (
            ("image", image, image_origin),
            ("segmentation", segmentation, segmentation_origin),
            ("truth", truth, truth_origin),
        )
        if uri is not None
    }
    if (folder is None) == (not volumes):
        raise InputError("name a run's folder, or volumes by --image, --segmentation and --truth")
    is_of_volume = beside is not None and not is_there(Path(beside) / CONFIG_NAME)
    for option, value, of, others in (
        ("--image-origin", image_origin, "--image", image),
        ("--segmentation-origin", segmentation_origin, "--segmentation", segmentation),
        ("--truth-origin", truth_origin, "--truth", truth),
        ("--beside-origin", beside_origin, "--beside", beside),
        ("--agglomerated", agglomerated, "--beside", beside),
        ("--box", box, "--beside", beside),
        ("--voxel-size", voxel_size, "volumes that are named by options", volumes or is_of_volume),
    ):
        if value and not others:
            raise InputError(f"{option} is for {of}, of which there is none here: leave it out")
    shown = layers_of_volumes(volumes) if folder is None else layers_of(folder)
    shown.refuse_nothing()
    if beside is not None:
        _set_beside(shown, beside, choice_of("beside", beside_origin, size=size, lacks=LACKS), agglomerated)
    compared_in = parsed_box(box)
    console = PlainConsole(highlight=False, soft_wrap=True)
    with ViewServer(shown, 0 if screenshot else port, console.print) as server:
        if beside is not None:
            compare(shown, compared_in, _watched)
        for line in [*shown.described(), *shown.lacking]:
            console.print(line)
        if screenshot is not None:
            draw(server, screenshot)
            console.print(f"drawn        {screenshot}")
            return
        _wait(server, console)


def _wait(server: Any, console: Console) -> None:
    """Print the ways there, and return at Ctrl-C: not by an exception, which would leave what is just written
    in the buffer of its stream, to be written again."""
    asked: SimpleQueue[int] = SimpleQueue()  # into which a handler of signals may put
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:  # as it is of what a script has started behind it
        signal.signal(signal.SIGINT, lambda number, _: asked.put(number))
    try:
        _print_ways(server, console)
        asked.get()
    finally:
        signal.signal(signal.SIGINT, before)


def _look_for_neuroglancer() -> None:
    try:
        import neuroglancer  # noqa: F401 - the server needs it
    except ImportError:
        raise InputError(
            "`ffn view` needs the Python package neuroglancer, which brings the program that a browser runs: "
            "pip install 'neuroglancer>=2.40'"
        ) from None


def layers_of(folder: Path) -> Shown:
    """What there is of a run, or the volume of `ffn align` alone. Raises InputError."""
    from pipeline.viewing.layers import layers_of_volumes

    folder = folder.resolve()
    if is_there(folder / ALIGN_CONFIG_NAME):
        from workflows.planning.align_plan import told_of_volume

        shown = layers_of_volumes(
            {"image": (f"precomputed://file://{RunFiles(folder).aligned_folder}", Choice())}
        )
        shown.lacking += told_of_volume(folder)
        return shown
    from pipeline.viewing.run_layers import layers_of_run
    from workflows.planning.earlier import earlier_in
    from workflows.watching.status_view import read_run

    run = Run(folder, read_config(kept_run_file(folder)))
    earlier, untold = earlier_in(*read_run(folder))
    shown = layers_of_run(run, earlier)
    shown.lacking += untold
    return shown


def _set_beside(shown: Shown, beside: str, choice: Choice, agglomerated: bool) -> None:
    """One more segmentation, of a run or any volume. Raises InputError."""
    from pipeline.viewing.beside import add_run_beside, add_volume_beside
    from pipeline.viewing.run_layers import STORED
    from workflows.exporting.volumes import earlier_told

    folder = Path(beside)
    if not is_there(folder / CONFIG_NAME):
        if agglomerated:
            raise InputError(f"--agglomerated is for runs, but {beside} is no run's folder: leave it out")
        add_volume_beside(shown, beside, choice)
        return
    if choice.origin is not None:
        raise InputError(f"--beside-origin is for volumes, but {beside} is a run's folder: leave it out")
    add_run_beside(shown, Run(folder.resolve(), read_config(kept_run_file(folder))), agglomerated)
    stages = {"write", *STORED.values(), *["agglomerate"] * agglomerated}
    shown.lacking += earlier_told(folder, stages)


def _watched(blocks: Sequence[Box]) -> Iterable[Box]:
    """The same, and on a terminal how far it is."""
    screen = PlainConsole(stderr=True)
    return track(blocks, "comparing", console=screen, transient=True, disable=not screen.is_terminal)


def _print_ways(server: Any, console: Console) -> None:
    """How to get there from here and from elsewhere."""
    port, user, here = server.port, user_name(), socket.gethostname()
    login = next(filter(None, map(os.environ.get, SUBMITTED_FROM)), here)
    is_here = login.partition(".")[0] == here.partition(".")[0]  # one of the two may name the domain
    through = "" if is_here else f"-J {user}@{login} "
    console.print(f"\nopen         {server.link}")
    console.print(f"from afar    ssh -N -L {port}:{ADDRESS}:{port} {through}{user}@{here}")
    console.print("             and open the same link there. Whoever has it can look. Ctrl-C ends this.")


def main() -> None:
    """Entry point of the `ffn-view` command."""
    start(view)


if __name__ == "__main__":
    main()
