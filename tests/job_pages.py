"""docs/jobs.md: what each site would be sent, as `--dry-run` prints it.

`python -m tests.job_pages` writes it; read the difference.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from parsl.dataflow.memoization import BasicMemoizer

import site_configs
from pipeline.run_folder import Run
from site_configs.preview import launch_line, submit_scripts
from tests.sites import COMPLETE, run_on

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "jobs.md"

HEAD = """# What is submitted
What `--dry-run` prints of the jobs of a run on each site: their scripts, how they are submitted, and the line
that starts the ranks. What is known only when a run starts stands in them by name: PORT, ID, PYTHON.
[The sites](sites.md) has what the machines are; a test holds this page to what the program makes.
"""


def preview(run: Run) -> str:
    """Scripts and launch line, with this machine's paths by name."""
    config = site_configs.parsl_config(run, BasicMemoizer(), lambda error, task: 1.0)
    line = launch_line(site_configs.rank_launcher(run), run)
    assert line is not None
    texts = [f"=== {label}\n{script}" for label, script in submit_scripts(run, config).items()]
    text = "\n".join([*texts, "=== ranks", " ".join(line), ""])
    text = text.replace(sys.executable, "PYTHON").replace(str(REPOSITORY), "REPOSITORY")
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def page() -> str:
    """The whole page."""
    sections = []
    for name, said in COMPLETE.items():
        settings = ", ".join(f"`site.{key}: {value}`" for key, value in said.items())
        scripts = re.sub(r"\n{3,}", "\n\n", preview(run_on(name)))
        sections.append(f"\n## {name}\nEight ranks, with {settings}.\n\n```text\n{scripts}```\n")
    return HEAD + "".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page())
