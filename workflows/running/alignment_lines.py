"""What is said of an alignment at its end, or at the end of the run that it is part of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.checkup.sections import first
from pipeline.run_files import RunFiles
from pipeline.wording import counted


def alignment_lines(found: Mapping[str, Any], files: RunFiles) -> list[str]:
    """A few lines of the contents of the quality file."""
    montage, alignment = found["montage"], found["alignment"]
    lines = [
        "",
        f"sections      {found['sections']:,}; images missing in them {len(found['missing']):,}, lost "
        f"sections {len(found['lost']):,}",
        f"montage       {counted(montage['pairs'], 'pair')}, {len(montage['refused']):,} refused, "
        f"{counted(len(montage['guessed']), 'tile')} placed by the table alone; residuals "
        f"{_px(montage['residual_px'])}",
        f"alignment     {counted(alignment['pairs'], 'pair')} of sections, {len(alignment['refused']):,} "
        f"refused; of {alignment['points']['asked']:,} points {alignment['points']['found']:,} found, "
        f"{alignment['left_out']:,} left out; residuals {_px(alignment['residual_px'])}",
    ]
    if montage["many_refused"]:
        lines.append(
            f"WARNING: {len(montage['refused']):,} of {montage['pairs']:,} pairs of tiles do not fit near "
            "where the table has them: do they show resin alone, does y go down in it as in the images, are "
            "tiles.units right, is montage.max_shift enough? Residuals are of the others"
        )
    if alignment["worst"]:
        worst = alignment["worst"][0]
        lines.append(
            f"the worst     sections {worst['a']} and {worst['b']}, where 5% of the points are "
            f"{worst['95%']:.1f} pixels and more apart"
        )
    if found["otherwise"]:
        lines.append(
            f"otherwise     than most lie {len(found['otherwise']):,} sections, turned, moved far or of "
            f"other pixels, and are laid as these: {first(found['otherwise'])}"
        )
    if found["drift"]:
        lines += _drift(found["drift"])
    parts = alignment["parts"]
    if len(parts) > 1:
        lines.append(
            f"WARNING: {len(parts)} parts between which nothing matches; how they lie on each other is a "
            f"guess. They begin with sections {first([part[0] for part in parts])}"
        )
    if found["astray"]:
        named = first([f"{one['z']} ({one['share']:.0%})" for one in found["astray"]])
        lines.append(
            f"WARNING: parts of {counted(len(found['astray']), 'section')} are found in none beside them, "
            f"and may lie anywhere, as what broke off: {named}"
        )
    if found["corrections"]:
        kinds = [one["kind"] for one in found["corrections"]]
        lines.append(
            f"corrections   {counted(kinds.count('shift'), 'shift')} of tiles, "
            f"{counted(kinds.count('exclude'), 'section')} left out; each is in {files.quality_file.name}"
        )
    if found["cut"]:
        lines.append(
            f"cut           {len(found['cut']):,} sections stick out of the volume, by up to "
            f"{max(found['cut'].values()):.0f} pixels: volume.margin makes it larger"
        )
    if found["lost"]:
        lines.append(
            f"lost          {first(found['lost'])}: blank in the volume; a run's data.replace_sections "
            "shows a neighbour in the place of one"
        )
    lines += [
        f"volume        {files.aligned_folder}",
        f"quality       {files.quality_file}",
    ]
    return lines


def _drift(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where sections lie as wholes: what was taken off, and who is far from where the table has them."""
    taken, off = (max(part[name] for part in parts) for name in ("drift_px", "table_px"))
    far = [z for part in parts for z in part["far"]]
    lines = [
        f"drift         of up to {taken:.1f} pixels is taken off the places of sections; less it, they are "
        f"{off:.1f} pixels from where the table has them"
    ]
    if far:
        lines.append(f"far           from where the table has them: {first(far)}")
    return lines


def _px(figures: Mapping[str, float | None]) -> str:
    if figures["median"] is None:
        return "none"
    return f"{figures['median']:.2f} pixels on the median, at most {figures['largest']:.2f}"
