"""Recipes for Apptainer: their scripts are shell, bring the whole program, and install what the pages say.

One is built, without Apptainer, where FFN_BASE_SYSTEM names a folder with Ubuntu in it (containers/try.sh).
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
RECIPES = sorted((REPOSITORY / "containers").glob("*.def"))
SECTIONS = ("files", "post", "environment", "test", "runscript")


def sections(recipe: Path) -> dict[str, str]:
    """The text of each section by its name; the header's is ''."""
    parts = re.split(r"^%(\w+)$", recipe.read_text(), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2]))}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_has_a_base_and_scripts_that_are_shell(recipe: Path) -> None:
    found = sections(recipe)
    assert re.search(r"^Bootstrap: docker$", found[""], re.MULTILINE)
    assert re.search(r"^From: \S+:\S+$", found[""], re.MULTILINE), (
        "a version, so that it is the same tomorrow"
    )
    assert set(found) == {"", *SECTIONS}
    for name in SECTIONS[1:]:
        subprocess.run(["sh", "-n"], input=found[name], text=True, check=True)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_it_brings_all_that_is_installed_and_nothing_that_lies_beside_it(recipe: Path) -> None:
    pairs = [line.split() for line in sections(recipe)["files"].splitlines() if line.strip()]
    assert all((REPOSITORY / name).exists() and to == f"/opt/ffn/{name}" for name, to in pairs)
    known = configparser.ConfigParser()
    known.read(REPOSITORY / "setup.cfg")
    packages = known["options.packages.find"]["include"].replace("*", "").split()
    assert {*packages, "scripts", "setup.cfg", "setup.py"} <= {name for name, _ in pairs}


@pytest.mark.thorough
def test_the_recipe_for_cuda_is_built_and_passes_its_own_test() -> None:
    root = os.environ.get("FFN_BASE_SYSTEM")
    if root is None:
        pytest.skip("FFN_BASE_SYSTEM does not name a folder with a base system")
    command = ["bash", "containers/try.sh", "containers/ffn-cuda.def", root]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "passed its own test" in done.stdout


@pytest.mark.parametrize(("name", "choice"), [("cuda", "cuda"), ("rocm", "none")])
def test_it_installs_by_the_projects_own_script(name: str, choice: str) -> None:
    post = sections(REPOSITORY / "containers" / f"ffn-{name}.def")["post"]
    assert f"TENSORFLOW={choice} bash scripts/install.sh /opt/venv" in post


def test_a_tensorflow_that_is_none_of_the_choices_is_refused_at_once(tmp_path: Path) -> None:
    command = ["env", "TENSORFLOW=rocm", "bash", "scripts/install.sh", str(tmp_path / "venv")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "install: TENSORFLOW is 'rocm'; it is cpu, cuda or none\n"
    assert not (tmp_path / "venv").exists()
