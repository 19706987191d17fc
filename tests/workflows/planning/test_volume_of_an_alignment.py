"""What of the volume of `ffn align` is not of the alignment as it is; its files are not read for that."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from taken import Taken, take
from test_explain import publish

from apps.targets import target_of
from pipeline.results import records
from pipeline.results.artifacts import Artifact
from pipeline.run_files import ALIGN_CONFIG_NAME
from pipeline.settings.align_file import dump_align_config
from workflows.planning.align_plan import told_of_volume
from workflows.section_stages import align


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """A finished alignment."""
    taken = take(tmp_path_factory.mktemp("sections"))

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        return publish(target_of(app.__name__, args, kwargs))

    align(taken.stack, taken.sections, submit)
    (taken.stack.folder / ALIGN_CONFIG_NAME).write_text(dump_align_config(taken.stack.config))
    return taken


def test_a_copy_without_its_times_is_looked_at_without_being_read(
    aligned: Taken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(aligned.stack.folder, tmp_path / "copy", copy_function=shutil.copyfile)

    def reading(path: Path) -> str:
        raise AssertionError(f"{path} is read, which may take hours")

    monkeypatch.setattr(records, "file_sha256", reading)
    assert told_of_volume(copy) == []


def test_what_an_earlier_version_made_counts_and_what_other_settings_did_does_not(aligned: Taken) -> None:
    folder = aligned.stack.folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.sections.volume.VERSION", 99)
        assert told_of_volume(folder) == []
    file = folder / ALIGN_CONFIG_NAME
    before = file.read_text()
    file.write_text(re.sub(r"stiffness: \S+", "stiffness: 0.3", before))
    assert file.read_text() != before
    (told,) = told_of_volume(folder)
    assert re.match(r"of the volume 8 of \d parts have yet to be made, or made anew: ", told)
