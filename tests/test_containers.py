"""Recipes for Apptainer: their scripts are shell, and install what the documentation says; none is built."""

from __future__ import annotations

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
