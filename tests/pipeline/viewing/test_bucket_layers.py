"""A run whose segmentation is in a bucket: `ffn view` gives it to browsers, which have no credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from pipeline.viewing.run_layers import layers_of_run
from pipeline.volumes import open_volume
from tests.local_s3 import LocalS3
from tests.pipeline.viewing.placed import SEGMENTED_BOX, Case, ids_in
from tests.pipeline.viewing.served import Served

CHUNK = "4_8_40/320-352_110-142_26-34"


@pytest.fixture
def bucket(s3: LocalS3, case: Case) -> str:
    """A bucket with the case's segmentation, and an object that is none of the volume's."""
    bucket, folder = s3.bucket(), case.folder / "precomputed"
    for path in (path for path in folder.rglob("*") if path.is_file()):
        key = f"segmentation/{path.relative_to(folder).as_posix()}"
        s3.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    s3.client.put_object(Bucket=bucket, Key="secret", Body=b"nobody's business")
    return bucket


@pytest.fixture
def served(s3: LocalS3, bucket: str, case: Case, tmp_path: Path) -> Iterator[Served]:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    from pipeline.viewing.server import ViewServer

    data = {"image": case.image, "output": s3.uri(bucket)}
    config = RunConfig.model_validate({"data": data, "inference": {"box": "26:42,110:170,320:440"}})
    shown = layers_of_run(Run(tmp_path / "run", config))
    told: list[str] = []
    with ViewServer(shown, 0, told.append) as view:
        yield Served(view, shown, case, told)


def test_the_scene_names_this_server_and_not_the_bucket(served: Served) -> None:
    state = json.loads(unquote(served.view.scene_address("127.0.0.1:1").partition("#!")[2]))
    sources = {layer["name"]: layer["source"] for layer in state["layers"]}
    token = served.view.token
    assert sources["segmentation"] == f"precomputed://http://127.0.0.1:1/data/{token}/segmentation"


def test_objects_come_whole_and_in_ranges(served: Served) -> None:
    content = (served.case.folder / "precomputed" / CHUNK).read_bytes()
    path = f"{served.data('segmentation')}/{CHUNK}"
    status, headers, body = served.ask(path)
    assert (status, body, headers["Accept-Ranges"]) == (200, content, "bytes")
    for asked, start in (("5-19", 5), ("100-", 100), ("-7", len(content) - 7)):
        status, headers, body = served.ask(path, Range=f"bytes={asked}")
        stop = 20 if asked == "5-19" else len(content)
        assert (status, body) == (206, content[start:stop])
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(content)}"
    status, headers, _ = served.ask(path, Range=f"bytes={len(content)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert served.ask(path, "HEAD")[::2] == (200, b"")


@pytest.mark.parametrize(
    "way", ["", "none", "../secret", "%2e%2e/secret", "/secret", "%2fsecret", "//secret"]
)
def test_nothing_else_of_the_bucket_is_given(served: Served, way: str) -> None:
    assert served.ask(f"{served.data('segmentation')}/{way}")[0] == 404


def test_what_the_store_refuses_is_told(
    served: Served, s3: LocalS3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    s3.deny(bucket, "s3:GetObject")
    assert served.ask(f"{served.data('segmentation')}/{CHUNK}")[0] == 500
    assert "cannot be shown: cannot read s3://" in served.told[0]


def test_a_bucket_without_a_volume_is_a_run_whose_tiles_are_not_joined(s3: LocalS3, case: Case) -> None:
    config = RunConfig.model_validate({"data": {"image": case.image, "output": s3.uri(s3.bucket())}})
    shown = layers_of_run(Run(case.folder / "run", config))
    assert [layer.name for layer in shown.layers] == ["image"]
    assert "no segmentation: the tiles are not yet joined" in shown.lacking


def test_the_volume_can_be_read_through_this_server(served: Served) -> None:
    address = f"precomputed://http://127.0.0.1:{served.view.port}{served.data('segmentation')}"
    volume = open_volume(address)
    np.testing.assert_array_equal(volume.read(volume.box), ids_in(SEGMENTED_BOX))
