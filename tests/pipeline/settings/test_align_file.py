"""The settings of an alignment: all explained, and read back as they were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from pipeline.settings.align_file import dump_align_config, load_align_config
from pipeline.settings.fields import Section
from pipeline.settings.sections import AlignConfig


def fields(section: type[Section], before: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from fields(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", field


def test_every_setting_is_explained() -> None:
    assert not [name for name, field in fields(AlignConfig) if not field.description]


def test_settings_come_back_and_the_table_is_looked_up_beside_them(tmp_path: Path) -> None:
    text = "tiles: {table: t.csv, voxel_size_nm: [40, 4, 4]}\nalignment: {grid: 16}\n"
    (tmp_path / "a.yaml").write_text(text)
    config = load_align_config(tmp_path / "a.yaml", ["site.workers=3"])
    assert config.tiles.table == str(tmp_path / "t.csv")
    assert (config.alignment.grid, config.site.workers) == (16, 3)
    (tmp_path / "b.yaml").write_text(dump_align_config(config))
    assert load_align_config(tmp_path / "b.yaml") == config
