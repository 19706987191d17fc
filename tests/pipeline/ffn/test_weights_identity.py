"""What records know a network in files by: all of its files, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.ffn.weights import weights_sha256


@pytest.mark.parametrize("name", ["model.ckpt-1", "model[1].ckpt-1", "model?.ckpt*"])
def test_a_checkpoint_with_other_weights_is_another_whatever_its_name(tmp_path: Path, name: str) -> None:
    for ending in ("index", "data-00000-of-00001"):
        (tmp_path / f"{name}.{ending}").write_text(ending)
    (tmp_path / "model1.ckpt-1.index").write_text("of another network")
    before = weights_sha256(str(tmp_path / name))
    assert len(before.split()) == 2
    (tmp_path / f"{name}.data-00000-of-00001").write_text("other weights")
    assert weights_sha256(str(tmp_path / name)) != before
