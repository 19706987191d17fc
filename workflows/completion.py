"""What a shell completes beyond commands and options: settings, sites, run files."""

from __future__ import annotations

from glob import glob
from pathlib import Path

from pipeline.machine.own import REPOSITORY


def setting(incomplete: str) -> list[str]:
    """Keys of a run file, sections too."""
    return [name for name, _ in _settings() if name.startswith(incomplete)]


def assignment(incomplete: str) -> list[str]:
    """Keys of a run file that `--set KEY=VALUE` may change."""
    from pipeline.settings.fields import Section

    keys = [f"{name}=" for name, (_, default) in _settings() if not isinstance(default, Section)]
    return [key for key in keys if key.startswith(incomplete)]


def site(incomplete: str) -> list[str]:
    """Machines that come with the program, and files that may describe one."""
    from site_configs import site_names

    there = glob(f"{incomplete}*.yaml") if incomplete else []
    return [*(name for name in site_names() if name.startswith(incomplete)), *sorted(there)]


def run_file(incomplete: str) -> list[str]:
    """Run files that come with the program, and what is on the disk."""
    packaged = sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml"))
    there = [f"{path}/" if Path(path).is_dir() else path for path in sorted(glob(f"{incomplete}*"))]
    return [*(name for name in packaged if name.startswith(incomplete) and name not in there), *there]


def _settings() -> list[tuple[str, tuple[object, object]]]:
    from pipeline.config import RunConfig
    from workflows.config import settings  # which imports the options that these functions complete

    return list(settings(RunConfig()))
