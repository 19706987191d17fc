"""The chain from tiles of sections to an aligned volume."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.results.artifacts import publishing
from pipeline.run_files import ALIGN_CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.settings.align_file import dump_align_config
from workflows.output import KeepingConsole, say
from workflows.running.alignment_lines import alignment_lines

if TYPE_CHECKING:
    from parsl.config import Config
    from parsl.dataflow.memoization import Memoizer

    from pipeline.sections.stack import Stack
    from pipeline.sections.tiles import TileSection
    from site_configs.executors import RetryHandler
    from workflows.stage import Stage


@dataclass(frozen=True)
class Aligning:
    """The chain of a stack, from its tiles to its volume."""

    run: Run
    """Of the alignment it has the folder and the site, and nothing else."""
    stack: Stack
    sections: Mapping[int, TileSection]

    def parsl_config(self, memoizer: Memoizer, retry_handler: RetryHandler) -> Config:
        from site_configs import parsl_config

        return parsl_config(self.run, memoizer, retry_handler)

    def build(self) -> list[Stage[Any]]:
        from workflows.running.submission import Submission
        from workflows.section_stages import align
        from workflows.stage import call

        with publishing(self.run.folder / ALIGN_CONFIG_NAME) as temporary:
            temporary.write_text(dump_align_config(self.stack.config))
        return align(self.stack, self.sections, Submission(call, verify=False).submit).stages

    def end(self, stages: list[Stage[Any]], console: KeepingConsole) -> None:
        from workflows.running.summary import cause_lines

        if not any(future.exception() for stage in stages for future in stage.tasks):
            found = json.loads(self.stack.quality_file.read_text())
            lines = alignment_lines(found, self.run)
            volume = self.run.aligned_folder
            lines += [f"look at it    ffn report {shlex.quote(str(self.run.folder))}"]
            lines += [f"segment it    --set data.image=precomputed://file://{volume}"]
        else:
            console = console.on_stderr()
            lines = cause_lines(stages)
            lines += [
                f"Everything else is finished and kept in {self.run.folder}; logs: {self.run.logs_folder}."
            ]
            lines += ["Run the same command again to try just what is missing."]
        say(console, *lines)
