"""From tiles of sections, as a microscope takes them, to a volume.

`find_shifts` compares neighbouring tiles, `make_montage` places those of a section, and `make_overview`
reduces it to a small picture. `match_sections` lays one section on another; `place_sections` places all of
them as wholes and says how that drifts, `relax_group` bends some of them until what matches comes together,
and `render_block` writes a block of the volume, each voxel looked up once in the tiles. `judge` says how well
everything fits. No section is ever in memory as a whole, except as its overview.
"""

from pipeline.sections.group import (
    group_target,
    groups_of,
    pairs_of_group,
    place_sections,
    places_target,
    relax_group,
)
from pipeline.sections.montage import make_montage, montage_target
from pipeline.sections.overview import make_overview, overview_target
from pipeline.sections.pair import Montaged, match_sections, pair_target
from pipeline.sections.quality import judge, quality_target
from pipeline.sections.shifts import batches, find_shifts, shifts_target
from pipeline.sections.stack import Stack, read_stack
from pipeline.sections.volume import (
    aligned_target,
    blocks,
    create_aligned,
    groups_of_block,
    info_target,
    render_block,
    sections_of,
)

__all__ = [
    "Montaged",
    "Stack",
    "aligned_target",
    "batches",
    "blocks",
    "create_aligned",
    "find_shifts",
    "group_target",
    "groups_of",
    "groups_of_block",
    "info_target",
    "judge",
    "make_montage",
    "make_overview",
    "match_sections",
    "montage_target",
    "overview_target",
    "pair_target",
    "pairs_of_group",
    "place_sections",
    "places_target",
    "quality_target",
    "read_stack",
    "relax_group",
    "render_block",
    "sections_of",
    "shifts_target",
]
