"""The program as a package: built, installed and at work where no checkout is."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.ffn.winograd.compiled import cpu_instructions
from tests.environments import new_environment
from tests.tiny_run import RUN_FILE

pytest.importorskip("horovod", reason="Horovod is not installed")
BUILDERS = ("pip", "setuptools", "wheel")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, BUILDERS)), reason=f"needs {', '.join(BUILDERS)}"),
]

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("apps", "configs", "pipeline", "site_configs", "workflows")
BUILT_FROM = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")

IMPORTED_BY_WORKERS = (
    "pipeline/training/trainer.py",
    "pipeline/training/ranks/horovod_ranks.py",
    "pipeline/inference/canvas.py",
    "pipeline/reconciliation/write.py",
    "pipeline/evaluation/contingency.py",
)


def environment(**variables: str) -> dict[str, str]:
    """Nothing of ours is on the path, and Python keeps what it compiles beside the modules."""
    ours = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **variables}


def install(folder: Path, **build: str) -> Path:
    """The folder of packages of a new environment into which a wheel was installed, made with `build` set."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / "source" / package, ignore=ignored)
    for name in BUILT_FROM:
        shutil.copy(REPOSITORY / name, folder / "source")
    python = new_environment(folder / "environment")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    offline = ["--no-index", "--no-deps"]
    wheel = ["wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run([*pip[:-2], *wheel, *offline], env=environment(**build), check=True)
    (built,) = folder.glob("*.whl")
    without = ["--no-compile", "--ignore-installed"]
    subprocess.run([*pip, "install", *offline, *without, str(built)], env=environment(), check=True)
    (packages,) = (folder / "environment").glob("lib/python*/site-packages")
    return packages


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that was built where there is no C compiler."""
    return install(tmp_path_factory.mktemp("installed"), CC="false")


def call(packages: Path, folder: Path, program: str, *options: str) -> str:
    """What a command of the installed program prints, started in `folder`; it must end well."""
    command = [str(packages.parents[2] / "bin" / program), *options]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(root: Path) -> dict[str, bytes]:
    """The modules and run files of the packages below `root`, by name."""
    found: Iterable[Path] = (file for package in PACKAGES for file in (root / package).rglob("*"))
    return {str(f.relative_to(root)): f.read_bytes() for f in found if f.suffix in (".py", ".yaml")}


def test_every_module_and_run_file_is_installed(packages: Path) -> None:
    installed = files(packages)
    assert installed == files(REPOSITORY)
    assert "configs/demo.yaml" in installed


def test_the_demo_is_planned_and_found_good_in_an_empty_folder(packages: Path, tmp_path: Path) -> None:
    demo = str(packages / "configs" / "demo.yaml")
    plan = call(packages, tmp_path, "ffn-pipeline", "--dry-run")
    assert f"run file {demo}\n" in plan
    assert f"run folder  {tmp_path}/runs/demo\n" in plan
    found = call(packages, tmp_path, "ffn-doctor", "--config", "demo.yaml")
    assert f"{demo}: 8 tiles" in found
    states = {what: state for state, what, *_ in (re.split("  +", line) for line in found.splitlines())}
    assert (states["environment"], states["horovod"]) == ("ok", "ok")
    assert states["engine"] == ("warn" if cpu_instructions() else "skip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough  # a plan takes its code from there too, above
def test_a_run_takes_all_its_code_from_the_installed_package(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RUN_FILE)
    options = ("--config", "small.yaml", "--run-dir", "run")
    call(packages, tmp_path, "ffn-pipeline", *options)
    compiled = {str(file.relative_to(packages)) for file in packages.rglob("*.pyc")}
    tag = f".{sys.implementation.cache_tag}.pyc"
    for module in map(Path, IMPORTED_BY_WORKERS):
        assert str(module.parent / "__pycache__" / (module.stem + tag)) in compiled
    assert "score" in call(packages, tmp_path, "ffn-status", "run")
    again = call(packages, tmp_path, "ffn-pipeline", "--run-dir", "run", "--dry-run")
    assert f"run file {Path('run', 'config.yaml')}\n" in again
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "small.yaml"]


@pytest.mark.thorough
@pytest.mark.skipif(
    shutil.which("cc") is None or platform.machine() not in ("x86_64", "aarch64"),
    reason="compiles the C code",
)
def test_the_demo_runs_in_an_empty_folder_with_the_code_compiled(tmp_path: Path) -> None:
    packages, folder = install(tmp_path / "installed"), tmp_path / "empty"
    folder.mkdir()
    said = call(packages, folder, "ffn-pipeline")
    assert list(packages.glob("pipeline/ffn/winograd/_winograd_*"))
    engine = "winograd" if cpu_instructions() else "openvino"
    assert re.search(rf"network +{engine} in \w+, 8 tiles", said)
    assert json.loads((folder / "runs" / "demo" / "metrics.json").read_text())
    assert [path.name for path in folder.iterdir()] == ["runs"]
