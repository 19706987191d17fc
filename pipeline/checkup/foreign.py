"""Whether a first start would write over, or remove, what others have in the folder that a run is given."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pipeline.errors import InputError
from pipeline.results.attempts.owner import owner_file
from pipeline.results.unreadable import is_there, reading
from pipeline.run_files import ALIGN_CONFIG_NAME, RunFiles


def refuse_foreign(folder: Path) -> None:
    """Raise InputError where no start was made in the folder, and something there has the name of a result.

    Logs do not count: job scripts make a folder for theirs before they start a run. Raises Unreadable.
    """
    files = RunFiles(folder)
    if is_there(owner_file(folder)) or is_there(files.inputs_file):
        return
    taken = sorted({path.relative_to(folder).parts[0] for path in _results(files) if _holds_something(path)})
    if taken:
        raise InputError(
            f"{folder} holds {', '.join(taken)}, which no start of a run has put there: it would be "
            "written over or removed; name another --run-dir, such as a new folder in it"
        )


def _results(files: RunFiles) -> list[Path]:
    """Where a run keeps what it makes, but for logs."""
    named = (name for name, of in vars(RunFiles).items() if isinstance(of, (property, cached_property)))
    network = files.coordinates_file.with_name("ffn.h5")
    paths = [network, files.folder / ALIGN_CONFIG_NAME, *(getattr(files, name) for name in named)]
    return [path for path in paths if not path.is_relative_to(files.logs_folder)]


def _holds_something(path: Path) -> bool:
    """Whether there is a file, or a folder that is not empty. Raises Unreadable."""
    with reading(path):
        return any(path.iterdir()) if path.is_dir() else path.exists()
