"""What `config init` finds in volumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorstore

from pipeline.errors import InputError
from pipeline.run_folder import Run
from pipeline.settings.run_file import parse_config
from workflows.proposing.look import look_at_image, look_at_truth


def test_labels_much_larger_than_the_image_are_looked_at_where_it_is(tmp_path: Path) -> None:
    metadata = {"shape": [1000] * 3, "chunks": [64] * 3, "dtype": "<u8", "compressor": None, "fill_value": 0}
    store = {"driver": "file", "path": f"{tmp_path}/truth.zarr/"}
    labels = tensorstore.open(
        {"driver": "zarr", "kvstore": store, "metadata": metadata}, create=True
    ).result()
    labels[70:90, 70:90, 200:230] = 5
    (tmp_path / "truth.zarr/.zattrs").write_text(json.dumps({"offset": [0, 0, 0], "resolution": [8, 8, 8]}))
    np.save(tmp_path / "em.npy", np.arange(20 * 20 * 30, dtype=np.uint16).reshape(20, 20, 30))
    data = {
        "folder": str(tmp_path), "image": "em.npy", "labels": "truth.zarr", "origin": [70, 70, 200],
        "voxel_size_nm": [8, 8, 8],
    }  # fmt: skip
    truth = look_at_truth(Run(tmp_path / "run", parse_config({"data": data}, "run.yaml")), 1)
    assert (truth.objects, truth.labelled, truth.looked_at) == (1, 1.0, 1.0)


def test_an_image_with_padding_is_proposed_where_mean_and_standard_deviation_are_given(
    tmp_path: Path,
) -> None:
    values = np.random.default_rng(0).normal(0.6, 0.1, (20, 20, 30)).astype(np.float32)
    values[:, :2] = -9999
    np.save(tmp_path / "em.npy", values)
    data: dict[str, object] = {"folder": str(tmp_path), "image": "em.npy", "voxel_size_nm": [8, 8, 8]}
    with pytest.raises(InputError, match="some are padding"):
        look_at_image(Run(tmp_path / "run", parse_config({"data": data}, "run.yaml")))
    data.update(image_mean=0.6, image_stddev=0.1)
    seen = look_at_image(Run(tmp_path / "run", parse_config({"data": data}, "run.yaml")))
    assert seen.intensity.lowest == -9999
