"""The page: report.json and its pictures, put into one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.evaluation.conventions import CONVENTIONS
from pipeline.report.slices import Picture

SECTIONS = {
    "pictures": "Pictures",
    "alignment": "Sections",
    "scores": "Scores",
    "worst": "Where it is wrong",
    "stages": "Stages",
    "tiles": "Tiles",
    "training": "Training",
    "failures": "Failures",
    "attempts": "Attempts",
    "files": "Files",
}

LINES = ("var(--a)", "var(--b)", "var(--c)", "var(--d)")
"""Of a chart, one for each series."""


class Fits(NamedTuple):
    """How the worst tiles and sections of an alignment lie on each other."""

    pictures: Sequence[Picture] = ()
    why_none: str = ""


NO_FITS = Fits()


def page(
    said: Mapping[str, Any],
    slices: Sequence[Picture],
    objects: Picture | None,
    no_pictures: str = "",
    fits: Fits = NO_FITS,
) -> str:
    """The HTML of a report; every number on it is one of `said`, marked with its whole value.

    `no_pictures` is why there are none.
    """
    shown = {id: title for id, title in SECTIONS.items() if said["alignment"] or id != "alignment"}
    template = _environment(sections=shown, conventions=CONVENTIONS).get_template("report.html.jinja")
    return template.render(
        {**said, "slices": slices, "objects": objects, "no_pictures": no_pictures, "fits": fits}
    )


def alignment_page(said: Mapping[str, Any], fits: Fits) -> str:
    """The HTML of the report of an alignment that is no run's."""
    return _environment().get_template("alignment.html.jinja").render({**said, "fits": fits})


def _environment(**known: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        n=number, share=share, duration=duration, size=size, bare=bare, source=source, yaml=_yaml
    )
    environment.globals.update(lines=LINES, **known)
    return environment


def number(value: float | None, digits: int | None = None) -> Markup:
    """A number with its thousands apart; a fraction to `digits` places (None: a whole number)."""
    return _marked(value, lambda v: f"{v:,.0f}" if digits is None else f"{v:,.{digits}f}")


def share(value: float | None) -> Markup:
    """A part of a whole, in percent."""
    return _marked(value, lambda v: f"{v:.1%}")


def duration(value: float | None) -> Markup:
    """Seconds, as a person says them: `4.2 s`, `3:05 min`, `2:03:05 h`."""
    return _marked(value, _said)


def size(value: float | None) -> Markup:
    """Bytes, in the unit that suits them."""

    def text(v: float) -> str:
        for unit in ("B", "kB", "MB", "GB"):
            if v < 1000:
                return f"{v:.0f} {unit}" if unit == "B" else f"{v:.1f} {unit}"
            v /= 1000
        return f"{v:.1f} TB"

    return _marked(value, text)


def bare(value: float) -> str:
    """A tick of an axis: as short as it can be said."""
    return f"{value:,.10g}" if value < 1e6 else f"{value / 1e6:,.10g} M"


def source(picture: Picture) -> Markup:
    """A picture's bytes, as an address."""
    return Markup(f"data:{picture.kind};base64,{base64.b64encode(picture.file).decode()}")


def _yaml(settings: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)


def _said(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d} h" if hours else f"{m}:{s:02d} min"


def _marked(value: float | None, text: Any) -> Markup:
    if value is None:
        return Markup('<span class="none">-</span>')
    return Markup('<span data-value="{}">{}</span>').format(repr(value), text(value))
