"""A whole run into a bucket, killed and damaged, as its user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.local_s3 import LocalS3
from tests.tiny_run import RUN_FILE

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

REPOSITORY = Path(__file__).parents[2]
RUN = [sys.executable, str(REPOSITORY / "workflows" / "full_pipeline.py")]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RUN, "--config", "run.yaml", *options],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def finished(folder: Path, *options: str) -> str:
    process = start(folder, *options)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def test_a_run_into_a_bucket_ends_as_one_into_a_folder_however_it_is_disturbed(
    s3: LocalS3, tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    bucket = s3.bucket()
    into = ("--run-dir", "run", "--set", f"data.output={s3.uri(bucket)}")
    process = start(tmp_path, *into)
    while process.poll() is None and not any(key.endswith(".shard") for key in s3.puts(bucket)):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    said = finished(tmp_path, *into)
    assert f"segmentation  precomputed://{s3.uri(bucket)}" in said
    whole = s3.objects(bucket)

    finished(tmp_path, "--run-dir", "local")
    folder = tmp_path / "local" / "segmentation"
    files = [path for path in folder.rglob("*") if path.is_file()]
    expected = {f"segmentation/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}
    assert {key: content for key, content in whole.items() if "provenance" not in key} == expected
    metrics = [(tmp_path / name / "metrics.json").read_bytes() for name in ("run", "local")]
    assert metrics[0] == metrics[1]

    lost, *_, changed = sorted(key for key in whole if key.endswith(".shard"))
    s3.client.delete_object(Bucket=bucket, Key=lost)
    s3.client.put_object(Bucket=bucket, Key=changed, Body=whole[changed][:-1] + b"!")
    before = s3.puts(bucket)
    assert "object missing" in finished(tmp_path, *into, "--dry-run")
    finished(tmp_path, *into)
    assert s3.objects(bucket) == whole
    probes = {key for key in s3.puts(bucket) if ".probe-" in key}
    again = s3.puts(bucket) - before
    assert again - Counter(dict.fromkeys(probes, 1)) == Counter({lost: 1, changed: 1})
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert f"precomputed://{s3.uri(bucket)}" in {file["path"] for file in report["files"]}
