"""Links of a page lead somewhere in the documentation too."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generator.links import module_of, rewritten

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("[seeds.py](../pipeline/inference/seeds.py)", "[seeds.py](#pipeline.inference.seeds)"),
        ("[volumes/](../pipeline/volumes/__init__.py)", "[volumes/](#pipeline.volumes)"),
        ("[sites](../site_configs)", "[sites](#site_configs)"),
        ("[tests/](../tests/emulators)", "tests/"),
        ("[scores](scores.md#any-two-volumes)", "[scores](scores.md#any-two-volumes)"),
        ("[run file](../configs/demo.yaml)", "[run file](../configs/demo.yaml)"),
        ("[rerun](../pipeline/results/README.md)", "[rerun](../pipeline/results/README.md)"),
        ("[Parsl](https://parsl-project.org)", "[Parsl](https://parsl-project.org)"),
        ("![slices](pictures/slices.png)", "![slices](pictures/slices.png)"),
        ("[machines](../site_configs/machines)", "machines"),
    ],
)
def test_links_to_modules_lead_to_the_api_and_those_to_folders_are_text(link: str, expected: str) -> None:
    assert rewritten(f"See {link}.", REPOSITORY / "docs", REPOSITORY) == f"See {expected}."


def test_files_that_are_no_modules_have_no_name() -> None:
    assert module_of(Path("workflows/ffn.py")) == "workflows.ffn"
    assert module_of(Path("pipeline/ffn/winograd/forward.c")) is None
    assert module_of(Path("tests/test_docs.py")) is None
