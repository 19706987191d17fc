"""Which run file a command takes."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.results.attempts import begin
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import dump_config
from workflows.command_line import RUN_FILES, ending_plainly, load_settings, run_file, run_folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_name_it_is_the_one_kept_in_the_run_folder_and_without_a_folder_the_demo(
    elsewhere: Path,
) -> None:
    assert run_file(None, None) == RUN_FILES / "demo.yaml"
    (elsewhere / "config.yaml").touch()
    assert run_file(None, elsewhere) == elsewhere / "config.yaml"


def test_a_folder_of_no_run_begins_none_unless_a_run_file_is_named(elsewhere: Path) -> None:
    with pytest.raises(InputError, match=r"typo holds no run to go on with, .*--config demo"):
        run_file(None, elsewhere / "typo")


@pytest.mark.parametrize("name", ["fib25", "fib25.yaml", "configs/fib25.yaml", "./configs/fib25.yaml"])
def test_one_of_the_program_is_taken_by_its_name_unless_the_user_has_one(elsewhere: Path, name: str) -> None:
    assert run_file(Path(name), None) == RUN_FILES / "fib25.yaml"
    assert (RUN_FILES / "fib25.yaml").is_file()
    (elsewhere / "configs").mkdir()
    (elsewhere / name).touch()
    assert run_file(Path(name), None) == Path(name)


@pytest.mark.parametrize(
    "name", ["mine.yaml", "mine/fib25.yaml", "/nowhere/fib25.yaml", "configs", "__init__.py"]
)
def test_one_that_is_nowhere_is_refused_with_the_places_and_names_there_are(
    elsewhere: Path, name: str
) -> None:
    with pytest.raises(InputError) as caught:
        run_file(Path(name), None)
    said = str(caught.value)
    assert said.startswith(f"config file {name}: No such file; it is neither {elsewhere / name} nor ")
    assert said.endswith(f"{RUN_FILES}: demo.yaml, fib25.yaml, fib25_train.yaml")


def test_a_folder_is_no_run_file(elsewhere: Path) -> None:
    """As a run's own, `demo`: `--config demo` was refused beside it, as what cannot be read."""
    (elsewhere / "demo").mkdir()
    assert run_file(Path("demo"), None) == RUN_FILES / "demo.yaml"
    (elsewhere / "mine").mkdir()
    with pytest.raises(InputError, match=r"^config file mine: a folder, no file; it is neither .*/mine nor"):
        run_file(Path("mine"), None)


def test_one_that_cannot_be_reached_is_refused_with_the_reason(elsewhere: Path) -> None:
    (elsewhere / "file").touch()
    with pytest.raises(InputError, match=r"config file file/run\.yaml: Not a directory"):
        run_file(Path("file/run.yaml"), None)


def test_a_folder_that_is_a_circle_of_links_is_refused(elsewhere: Path) -> None:
    (elsewhere / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"^run folder loop: links that lead to each other"):
        run_folder(Path("loop"), RUN_FILES / "demo.yaml")


@pytest.mark.parametrize("setting", ["data.folder", "network.checkpoint", "reconciliation.corrections"])
def test_a_circle_of_links_in_a_run_file_ends_a_command_in_one_line(
    elsewhere: Path, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = elsewhere / "loop"
    name.symlink_to(name)

    def command() -> None:
        resolve(load_settings(RUN_FILES / "demo.yaml", [f"{setting}={name}"], None), elsewhere)

    with pytest.raises(typer.Exit):
        ending_plainly(command)()
    said = f"error: '{name}': links that lead to each other; name a file or a folder\n"
    assert capsys.readouterr().err == said


def started(folder: Path, **inference: str) -> Run:
    """A run as its first start leaves it."""
    of_tiles = {"overlap": [20, 20, 20], "tile": [64, 64, 64], **inference}
    config = RunConfig.model_validate({"data": {"labels": "phantom"}, "inference": of_tiles})
    run = resolve(config, folder)
    with begin(run.folder, dump_config(run.config), print) as attempt:
        run.config_file.write_text(dump_config(run.config))
        attempt.end(0, "")
    return run


def test_a_preset_over_which_the_last_start_wins_is_refused(elsewhere: Path) -> None:
    """A start writes down what the first preset, or none, has chosen."""
    run = started(elsewhere)
    with pytest.raises(InputError, match=r"has the deltas of the last start, which win .* add --set"):
        load_settings(run.config_file, ["inference.preset=fast"], None)
    changes = ["inference.preset=fast", "inference.deltas=", "inference.precision=auto"]
    fast = resolve(load_settings(run.config_file, changes, None), elsewhere)
    assert (run.config.inference.deltas, fast.config.inference.deltas) == ((8, 8, 8), (12, 12, 12))


def test_a_preset_that_is_taken_as_it_is_is_none_to_refuse(elsewhere: Path) -> None:
    """The same command again, and one whose deltas are those that are there."""
    fast = started(elsewhere / "fast", preset="fast")
    again = resolve(load_settings(fast.config_file, ["inference.preset=fast"], None), fast.folder)
    assert again.config.inference == fast.config.inference
    plain = started(elsewhere / "plain")
    best = resolve(load_settings(plain.config_file, ["inference.preset=best"], None), plain.folder)
    assert (best.config.inference.deltas, best.config.inference.precision) == ((8, 8, 8), "float32")
    with pytest.raises(InputError, match="has the precision of the last start"):
        load_settings(
            started(elsewhere / "best", preset="best").config_file, ["inference.preset=balanced"], None
        )
