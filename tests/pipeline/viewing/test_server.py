"""What the server of `ffn view` gives to whom: ranges, other pages, and nothing of what is not named."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np
import psutil
import pytest

from pipeline.viewing.layers import layers_of_volumes
from pipeline.volumes import Choice
from tests.pipeline.viewing.placed import IMAGE_BOX, SIZE_NM, Case, ids_in, image_in
from tests.pipeline.viewing.served import Served

KEY = "4_8_40"


def chunk_file(served: Served) -> Path:
    return sorted((served.case.folder / "precomputed" / KEY).iterdir())[0]


def test_files_come_whole_and_in_ranges_as_the_standard_says(served: Served) -> None:
    file = chunk_file(served)
    path, content = f"{served.data('segmentation')}/{KEY}/{file.name}", file.read_bytes()
    status, headers, body = served.ask(path)
    assert (status, body, headers["Accept-Ranges"]) == (200, content, "bytes")
    for asked, start, stop in (("5-19", 5, 20), ("100-", 100, len(content)), ("-7", len(content) - 7, None)):
        status, headers, body = served.ask(path, Range=f"bytes={asked}")
        assert (status, body) == (206, content[start:stop])
        last = len(content) - 1 if stop is None else stop - 1
        assert headers["Content-Range"] == f"bytes {start}-{last}/{len(content)}"
    status, headers, _ = served.ask(path, Range=f"bytes={len(content)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(content)}")


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    for path in (f"{served.data('segmentation')}/info", f"{served.data('image')}/info"):
        plain, head = served.ask(path), served.ask(path, "HEAD")
        assert (head[0], head[2]) == (200, b"")
        assert head[1]["Content-Length"] == plain[1]["Content-Length"] == str(len(plain[2]))


def test_pages_of_other_addresses_may_read_and_see_the_headers_of_ranges(served: Served) -> None:
    for layer in ("segmentation", "image"):
        path = f"{served.data(layer)}/info"
        status, headers, body = served.ask(
            path, "OPTIONS", Origin="https://example.org", Access_Control_Request_Headers="range"
        )
        assert (status, body) == (204, b"")
        assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        assert "range" in headers["Access-Control-Allow-Headers"].lower()
        _, headers, _ = served.ask(path, Origin="https://example.org")
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Range" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_but_reading_is_answered(served: Served, method: str) -> None:
    for layer in ("segmentation", "image"):
        assert served.ask(f"{served.data(layer)}/info", method)[0] == 405


@pytest.mark.parametrize(
    "way",
    [
        "../em.h5",
        f"{KEY}/../../em.h5",
        "%2e%2e/em.h5",
        "..%2fem.h5",
        "%2e%2e%2fem.h5",
        "..%5cem.h5",
        "%252e%252e/em.h5",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "info%00",
        "link",
        "linked/em.h5",
        "packed",
        KEY,
        "",
    ],
)
def test_no_way_leads_out_of_the_folder_of_a_volume(served: Served, way: str) -> None:
    inside = served.case.folder / "precomputed"
    (inside / "link").symlink_to("../em.h5")
    (inside / "linked").symlink_to(served.case.folder)
    (inside / "packed.gz").symlink_to("../em.h5")
    status, _, body = served.ask(f"{served.data('segmentation')}/{way}")
    assert status in (400, 403, 404)
    assert len(body) < 100


def test_a_link_within_the_folder_is_followed(served: Served) -> None:
    (served.case.folder / "precomputed" / "again").symlink_to("info")
    assert served.ask(f"{served.data('segmentation')}/again")[0] == 200


def test_without_the_token_there_is_nothing(served: Served) -> None:
    file = chunk_file(served).name
    for path in (
        "/",
        "/data/",
        "/data/segmentation/info",
        f"/data/wrong/segmentation/{KEY}/{file}",
        "/v/wrong/",
    ):
        assert served.ask(path)[0] == 404
    assert served.ask(f"/data/{served.view.token}/absent/info")[0] == 404
    for path in ("/at", "/at/", "/at/wrong", "/at?point=30,120,340"):
        status, _, body = served.ask(path)
        assert status == 403
        assert b"<script" not in body
        assert served.view.token not in body.decode()


def test_compressed_files_are_unpacked_by_the_browser(served: Served) -> None:
    file = chunk_file(served)
    content = file.read_bytes()
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content))
    file.unlink()
    path = f"{served.data('segmentation')}/{KEY}/{file.name}"
    status, headers, body = served.ask(path)
    assert (status, headers["Content-Encoding"], gzip.decompress(body)) == (200, "gzip", content)
    file.with_name(f"{file.name}.gz").rename(file.with_name(f"{file.name}.xz"))
    assert served.ask(path)[0] == 501


def test_a_file_that_is_written_anew_is_sent_anew(served: Served) -> None:
    file = chunk_file(served)
    path = f"{served.data('segmentation')}/{KEY}/{file.name}"
    etag = served.ask(path)[1]["ETag"]
    assert served.ask(path, If_None_Match=etag)[0] == 304
    file.write_bytes(bytes(8))
    os.utime(file, ns=(10**18, 10**18))
    status, _, body = served.ask(path, If_None_Match=etag)
    assert (status, body) == (200, bytes(8))


def test_a_volume_of_another_format_is_served_as_the_chunks_of_its_info(served: Served) -> None:
    info = json.loads(served.ask(f"{served.data('image')}/info")[2])
    (scale,) = info["scales"]
    assert (scale["resolution"], scale["voxel_offset"]) == ([4.0, 8.0, 40.0], [300, 100, 20])
    assert (info["data_type"], scale["size"]) == ("uint8", list(IMAGE_BOX.shape[::-1]))
    path = f"{served.data('image')}/{scale['key']}/364-428_164-180_20-44"
    status, headers, body = served.ask(path, Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    got = np.frombuffer(gzip.decompress(body), np.uint8).reshape(24, 16, 64)
    np.testing.assert_array_equal(got, image_in(IMAGE_BOX)[:, 64:80, 64:128])
    assert served.ask(path)[2] == got.tobytes()
    for absent in ("0-64_0-64_0-64", "364-428_164-181_20-44", "364-364_164-180_20-44", "info", "../em.h5"):
        assert served.ask(f"{served.data('image')}/{scale['key']}/{absent}")[0] == 404


def test_a_volume_of_coarser_voxels_lies_where_they_are(case: Case) -> None:
    pytest.importorskip("neuroglancer", reason="the extra `view` is not installed")
    from pipeline.viewing.server import ViewServer

    coarse = [2 * size for size in SIZE_NM]
    with h5py.File(case.folder / "coarse.h5", "w") as file:
        file["ids"] = ids_in(IMAGE_BOX)[::2, ::2, ::2]
        file["ids"].attrs["resolution"] = coarse
        file["ids"].attrs["offset"] = [start * size for start, size in zip(IMAGE_BOX.start, SIZE_NM)]
    truth = f"{case.folder / 'coarse.h5'}:ids"
    shown = layers_of_volumes({"image": (case.image, Choice()), "truth": (truth, Choice())})
    with ViewServer(shown, 0, print) as view:
        served = Served(view, shown, case)
        (scale,) = json.loads(served.ask(f"{served.data('truth')}/info")[2])["scales"]
    assert scale["resolution"] == coarse[::-1]
    assert scale["voxel_offset"] == [start // 2 for start in IMAGE_BOX.start[::-1]]


def test_a_chunk_that_cannot_be_read_is_told(served: Served) -> None:
    (served.case.folder / "em.h5").write_bytes(b"torn")
    status, _, body = served.ask(f"{served.data('image')}/voxels/300-364_100-164_20-44")
    assert status == 500
    assert b"Traceback" not in body
    assert len(served.told) == 1
    assert "em.h5" in served.told[0]


def led_to(page: bytes) -> str:
    """Where a page leads a browser."""
    (address,) = re.findall(r"location\.replace\((\".*\")\)", page.decode())
    return json.loads(address)


def scene_of(page: bytes) -> dict:
    return json.loads(unquote(led_to(page).partition("#!")[2]))


def test_the_link_leads_to_the_scene_and_lets_the_browser_in(served: Served) -> None:
    status, headers, page = served.ask(served.view.link.partition(str(served.view.port))[2])
    assert status == 200
    state = scene_of(page)
    assert [layer["name"] for layer in state["layers"]] == ["image", "segmentation", "truth"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert "HttpOnly" in headers["Set-Cookie"]
    status, _, page = served.ask(f"/at?point=30,120,340&segments=7,{2**40 + 1}", Cookie=cookie)
    assert status == 200
    state = scene_of(page)
    assert state["position"] == [340.5, 120.5, 30.5]
    assert state["layers"][1]["segments"] == ["7", str(2**40 + 1)]
    for wrong, expected in (("/at?point=1,2", 400), ("/at?point=a,b,c", 400), ("/at?run=other", 409)):
        assert served.ask(wrong, Cookie=cookie)[0] == expected


def test_data_are_fetched_through_the_address_by_which_the_browser_came(served: Served) -> None:
    _, _, page = served.ask(f"/at/{served.view.token}", Host="127.0.0.1:9000")
    assert led_to(page).startswith("http://127.0.0.1:9000/v/")
    sources = [layer["source"] for layer in scene_of(page)["layers"]]
    assert all(source.startswith("precomputed://http://127.0.0.1:9000/data/") for source in sources)


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    listening = {
        c.laddr.ip for c in psutil.Process().net_connections("inet") if c.laddr.port == served.view.port
    }
    assert listening == {"127.0.0.1"}


def test_neuroglancer_itself_is_served_and_hands_out_no_credentials(served: Served) -> None:
    status, headers, body = served.ask(f"/v/{served.view.token}/")
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert b"<script" in body
    assert b"http" not in body
    assert served.ask(f"/credentials/{served.view.token}", "POST")[0] == 403
