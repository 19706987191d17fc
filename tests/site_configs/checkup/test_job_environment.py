"""The Python environment as a job sees it: real subprocesses, without the settings of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs.checkup.environment import JobEnvironment


def environment_on(site: str, folder: Path, worker_init: str = "", limit_s: float = 200) -> JobEnvironment:
    settings = {"name": site, "worker_init": worker_init}
    return JobEnvironment(Run(folder, RunConfig.model_validate({"site": settings})), limit_s)


def test_a_job_has_what_it_needs_whatever_the_login_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("horovod", reason="Horovod is not installed")
    monkeypatch.setenv("OF_THE_LOGIN", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    environment = environment_on("perlmutter", tmp_path, 'test -z "$OF_THE_LOGIN" || exit 1; echo remark')
    imports = environment.imports()
    assert imports.state == "ok", imports
    assert ", tensorflow " in imports.text
    assert environment.horovod().state == "ok"
    assert "gloo" in environment.horovod().text
    gpus = environment.gpus()
    assert (gpus.state, "the 4 GPUs of a node stay idle" in gpus.text) in (("warn", True), ("ok", False))


def test_a_worker_init_that_fails_is_quoted(tmp_path: Path) -> None:
    environment = environment_on("slurm", tmp_path, "echo loading; echo 'no such module: conda' >&2; exit 3")
    finding = environment.imports()
    assert finding.state == "FAIL"
    assert finding.text.startswith("exit code 3: no such module: conda; mend site.worker_init")
    assert environment.horovod().state == "skip"


def test_a_worker_init_that_breaks_python_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "parsl.py").write_text("raise ImportError('libz.so.1: cannot open')")
    # the program's own folder comes first on the path, this one next
    hidden = f"export PYTHONPATH={tmp_path}"
    finding = environment_on("slurm", tmp_path, hidden).imports()
    assert finding.state == "FAIL"
    assert "exit code 1: ImportError: libz.so.1: cannot open; " in finding.text


def test_imports_that_take_too_long_fail(tmp_path: Path) -> None:
    finding = environment_on("slurm", tmp_path, "sleep 3600", limit_s=0.2).imports()
    assert finding.state == "FAIL"
    assert "the imports were not done in 0.2 s" in finding.text


def test_a_run_that_does_not_train_needs_no_horovod(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"network": {"checkpoint": "model.h5"}})
    assert JobEnvironment(Run(tmp_path, config)).horovod().state == "skip"
