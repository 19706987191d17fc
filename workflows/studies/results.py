"""What a study leaves in its folder: the figure, the table and all that was measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from pipeline.errors import InputError
from pipeline.results.artifacts import Recipe, Target, file_sha256
from pipeline.results.records import Missing, make, read
from pipeline.results.unreadable import is_there
from pipeline.wording import counted
from workflows.output import KeepingConsole, say
from workflows.studies.design import Design, Row, Sizes
from workflows.studies.drawing import figure
from workflows.studies.measured import Measured, measure
from workflows.studies.point import Point

VERSION = 3
"""Of tables and figures: what an older one has drawn of the same points is drawn anew."""


@dataclass(frozen=True)
class Results:
    """Where and how a study's results are written."""

    kind: str
    design: Design
    sizes: Sizes
    folder: Path

    def publish(
        self, trained: Sequence[Point], failed: Mapping[str, BaseException], console: KeepingConsole
    ) -> None:
        """Write table.csv, table.md, figure.svg and study.json of the points that were trained; say what is
        missing, and why.

        Raises InputError where the log of a point is not whole, when the others are written.
        """
        measured, unread = [], dict[str, InputError]()
        for point in trained:
            try:
                measured.append(measure(point))
            except InputError as unreadable:
                unread[point.name] = unreadable
        failed = {**failed, **unread}
        if measured:
            rows = self.design.table(measured, self.sizes)
            self._write(measured, rows, list(failed))
            _keep_rates(measured)
            console.print()
            console.print(_table(rows))
            for name in ("figure.svg", "table.md", "table.csv", "study.json"):
                console.print(str(self.folder / name), highlight=False, soft_wrap=True)
        errors = console.on_stderr() if failed else console
        if not measured and is_there(self.folder / "study.json"):
            say(errors, f"WARNING: figure, tables and study.json in {self.folder} are of an earlier start")
        for name, error in failed.items():
            say(errors, f"error: point {name} failed: {why_failed(error)}")
        if failed:
            kept = counted(len(measured), "point")
            say(errors, f"{kept} made and kept; run the same command again for the rest")
        if unread:
            raise next(iter(unread.values()))

    def _write(self, measured: Sequence[Measured], rows: list[Row], missing: list[str]) -> None:
        remark = f"{self.kind}: {counted(len(measured), 'training')} of {self.sizes.fovs:,} FOVs"
        if missing:
            remark += f"; {len(missing)} failed and are missing"
        texts: dict[str, Callable[[], str]] = {
            "figure.svg": lambda: figure(self.design.panels(measured, rows), remark),
            "table.md": lambda: as_markdown(rows),
            "table.csv": lambda: as_csv(rows),
            "study.json": lambda: self._document(measured, rows, missing),
        }
        settings = {"kind": self.kind, "sizes": asdict(self.sizes), "missing": missing}
        # a point's weights say nothing of how fast they were learned; its log says both
        inputs = {m.point.name: file_sha256(m.point.run.training_log) for m in measured}
        for name, text in texts.items():
            target = Target(self.folder / name, Recipe("study", VERSION, settings, inputs))
            make(target, _writer(text))

    def _document(self, measured: Sequence[Measured], rows: list[Row], missing: list[str]) -> str:
        points = [{**m.to_json(), "made_on": _machine(m.point)} for m in measured]
        document = {
            "study": self.kind,
            "about": self.design.about,
            "fovs": self.sizes.fovs,
            "table": rows,
            "missing": missing,
            "points": points,
        }
        return json.dumps(document, indent=1) + "\n"


def as_markdown(rows: Sequence[Row]) -> str:
    """A table in Markdown; nothing where there are no rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_shown(v) for v in row.values()] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(rows: Sequence[Row]) -> str:
    """Comma-separated values under a line of column names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _writer(text: Callable[[], str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text(), encoding="utf-8", errors="replace")

    return write


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    return table


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _keep_rates(measured: Sequence[Measured]) -> None:
    """For the plans of others."""
    from workflows.planning import rates  # loads Parsl, which takes a second

    for each in measured:
        rates.write_rates(each.point.run, rates.measure(each.point.run))


def _machine(point: Point) -> str:
    """On what processor a point was trained, as its record says."""
    record = read(point.run.model_file)
    return "unknown" if isinstance(record, Missing) else str(record["processor"])


def cause_of(error: BaseException) -> BaseException:
    """What was wrong: of a task that never ran, what was wrong with that on which it waited."""
    from parsl.dataflow.errors import PropagatedException

    while isinstance(error, PropagatedException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def why_failed(error: BaseException) -> str:
    """The same as one line."""
    from workflows.running.summary import one_line  # loads Parsl, which takes a second

    return one_line(cause_of(error))
