"""Before anything is computed it is known whether the segmentation can be written to its bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.checkup.finding import OK, SKIP, examine
from pipeline.checkup.output import output
from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.run_folder import Run
from tests.local_s3 import LocalS3
from tests.tiny_run import RUN_FILE

REPOSITORY = Path(__file__).parents[3]
PROGRAM = str(REPOSITORY / "workflows" / "full_pipeline.py")


def run_into(folder: Path, output: str | None) -> Run:
    return Run(folder, RunConfig.model_validate({"data": {"output": output}}))


def test_a_bucket_that_can_be_written_is_left_as_it_was(s3: LocalS3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    found = output(run_into(tmp_path, s3.uri(bucket)))
    assert (found.state, s3.uri(bucket) in found.text) == (OK, True)
    assert s3.objects(bucket) == {}


def test_a_run_folder_has_its_own_check(tmp_path: Path) -> None:
    assert output(run_into(tmp_path, None)).state == SKIP


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:GetObject"])
def test_a_bucket_that_may_not_be_written_is_named(s3: LocalS3, tmp_path: Path, action: str) -> None:
    bucket = s3.bucket()
    s3.deny(bucket, action)
    with pytest.raises(
        InputError,
        match=rf"data\.output s3://http://\S+/{bucket}/segmentation cannot be written: .*403.*"
        r"expected a bucket that is there, and credentials that may list, read, write and delete in it",
    ):
        output(run_into(tmp_path, s3.uri(bucket)))


def test_a_bucket_that_is_not_there_is_named(s3: LocalS3, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"/no-such-bucket/v cannot be written: .*bucket does not exist"):
        output(run_into(tmp_path, s3.uri("no-such-bucket", "v")))


def test_a_server_that_does_not_answer_is_named(s3: LocalS3, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9/b/v cannot be written: Could not connect"):
        output(run_into(tmp_path, "s3://http://127.0.0.1:9/b/v"))


def test_who_has_no_credentials_is_told_where_they_are_looked_for(
    s3: LocalS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.forget_credentials(monkeypatch, tmp_path)
    found = examine(lambda: output(run_into(tmp_path, s3.uri(s3.bucket()))))
    assert "Unable to locate credentials" in found.text
    assert "AWS_ACCESS_KEY_ID" in found.text


@pytest.mark.parametrize(
    "output", ["runs/here", "https://host/bucket/v", "s3://", "gs:///v", "s3://https://h"]
)
def test_what_is_no_bucket_is_refused_with_the_settings(output: str) -> None:
    with pytest.raises(ValueError, match=r"expected the address of a bucket: s3://BUCKET/FOLDER"):
        RunConfig.model_validate({"data": {"output": output}})


def test_a_start_is_refused_before_anything_is_made(s3: LocalS3, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN_FILE)
    address = s3.uri("absent", "v")
    setting = f"data.output={address}"
    ended = subprocess.run(
        [sys.executable, PROGRAM, "--run-dir", "result", "--config", "run.yaml", "--set", setting],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert ended.returncode == 1
    assert f"error: data.output {address} cannot be written: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "result").exists()
