"""The documents: links lead somewhere, what they name and show exists, each is in the README's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from docs.generator.contents import parts
from pipeline.config import RunConfig
from pipeline.settings.run_file import parse_config
from pipeline.settings.yaml_text import read_yaml
from tests.documented_commands import Shown, commands

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
CHANGELOG = REPOSITORY / "CHANGELOG.md"
CODE = ("pipeline", "apps", "site_configs", "workflows", "configs", "benchmarks", "scripts", "tests")
PAGES = [
    README,
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted(page for folder in CODE for page in (REPOSITORY / folder).rglob("*.md")),
]
MOST_README_LINES = 60

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROGRAM = re.compile(r"\b(?:workflows|benchmarks)/\w+\.py\b")
SETTING = re.compile(rf"(?:--set |`)'?((?:{'|'.join(RunConfig.model_fields)})\.[a-z_.]+)(?==|`)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Every relative link of a page: the file or folder that it leads to, and the anchor there, or ''."""
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        if not re.match(r"\w+:", target):
            place, _, anchor = target.partition("#")
            yield (page.parent / place).resolve() if place else page, anchor


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    texts = [LINK.sub(lambda link: link[0].partition("]")[0][1:], heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def has_setting(key: str) -> bool:
    section: object = RunConfig
    for name in key.split("."):
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return False
        if name not in section.model_fields:
            return False
        section = section.model_fields[name].annotation
    return True


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading_in_it(page: Path) -> None:
    broken = [
        f"{target.relative_to(REPOSITORY)}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert not broken


@every_page
def test_every_program_that_is_named_exists(page: Path) -> None:
    assert not [name for name in PROGRAM.findall(page.read_text()) if not (REPOSITORY / name).exists()]


@every_page
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    wrong = [(shown, shown.wrong()) for shown in commands(page.read_text())]
    assert not [(shown.program, names) for shown, names in wrong if names]


def test_commands_of_a_page_are_found_and_faults_in_them() -> None:
    block = "make tset\nA=1 python workflows/pilot.py \\\n  --tilse 3  # three\nout"
    page = f"Say `ffn plan --dry` or:\n```\n{block}\n```\n"
    shown = list(commands(page))
    assert Shown("workflows/pilot.py", ["--tilse", "3"]) in shown
    assert sorted(name for command in shown for name in command.wrong()) == ["--dry", "--tilse", "tset"]


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    assert not [key for key in SETTING.findall(page.read_text()) if not has_setting(key)]


@every_page
def test_every_run_file_that_is_shown_is_valid(page: Path) -> None:
    for language, text in FENCED.findall(page.read_text()):
        if language == "yaml":
            parse_config(read_yaml(text), source=str(page))


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [README]
    while ahead:
        page = ahead.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            ahead += [target for target, _ in links(page)]
    assert not set(PAGES) - reached


def test_every_page_has_one_place_in_the_tables_of_the_readme() -> None:
    listed = sorted(page for pages in parts(README.read_text()).values() for page in pages)
    assert listed == sorted(
        str(page.relative_to(REPOSITORY).with_suffix("")) for page in [CHANGELOG, *PAGES[1:]]
    )


def test_every_document_that_the_code_names_exists() -> None:
    files = [
        file
        for folder in CODE
        for kind in ("py", "yaml", "c")
        for file in REPOSITORY.glob(f"{folder}/**/*.{kind}")
    ]
    named = {name for file in files for name in re.findall(r"\bdocs/[\w-]+\.md\b", file.read_text())}
    assert named
    assert not [name for name in named if not (REPOSITORY / name).exists()]


def test_the_readme_stays_one_screen() -> None:
    assert len(README.read_text().splitlines()) <= MOST_README_LINES
