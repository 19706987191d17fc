"""The Python environment as a job sees it: real subprocesses, without the settings of this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.checkup import Finding
from pipeline.config import RunConfig
from pipeline.machine import gpus
from pipeline.run_folder import Run
from pipeline.training.ranks.environment import Environment
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


def test_what_is_started_in_a_job_that_is_held_has_the_environment_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `salloc`, with modules loaded in its shell."""
    monkeypatch.setenv("OF_THE_LOGIN", "1")
    worker_init = 'echo "found ${OF_THE_LOGIN:-nothing}" >&2; exit 1'
    assert "found nothing" in environment_on("slurm", tmp_path, worker_init).imports().text
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    assert "found 1" in environment_on("slurm", tmp_path, worker_init).imports().text


def told(gpus_by: tuple[str, ...], infers_by: tuple[str, ...], **site: Any) -> Finding:
    """What is said of GPUs where TensorFlow and engines for inference are built for these."""
    document = {"site": {"name": "polaris", **site}}
    environment = JobEnvironment(Run(Path("/scratch/run"), RunConfig.model_validate(document)))
    environment.__dict__["_environment"] = Environment("3.11", {}, gpus_by, infers_by, ["gloo"], None)
    return environment.gpus()


def test_what_is_missing_for_the_gpus_of_a_site_fails() -> None:
    there = told(("CUDA",), ("torch",))
    assert there == Finding("ok", "4 a node; inference by torch; training by TensorFlow built with CUDA")
    lacking = told((), ("torch",))
    assert (lacking.state, "TensorFlow is built without CUDA" in lacking.text) == ("FAIL", True)
    assert "make install TENSORFLOW=cuda" in lacking.text
    on_cpus = told((), ("torch",), train_on_cpus=True)
    assert on_cpus == Finding("ok", "4 a node; inference by torch; training on CPUs")
    without_engine = told(("CUDA",), ())
    assert (without_engine.state, "runs networks" in without_engine.text) == ("FAIL", True)
    assert told((), (), gpus_per_node=0).state == "skip"


def test_a_gpu_that_is_asked_for_here_and_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "find", lambda: None)
    missing = told(("CUDA",), ("keras",), name="local", gpus_per_node=2)
    assert (missing.state, "site.gpus_per_node is 2; drivers here show none" in missing.text) == (
        "FAIL",
        True,
    )
    unused = told(("CUDA",), ("keras",), name="local")
    assert unused == Finding("skip", "TensorFlow is built with CUDA, but no driver shows a GPU here")
    monkeypatch.setattr(gpus, "find", lambda: gpus.Gpus("nvidia", 2))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert told(("CUDA",), ("keras",), name="local", gpus_per_node=2).state == "ok"
    assert told((), (), name="local").state == "warn"


def test_gradients_that_go_through_the_hosts_are_told() -> None:
    environment = JobEnvironment(Run(Path("/scratch/run"), RunConfig()))
    environment.__dict__["_environment"] = Environment("3.11", {}, ["CUDA"], [], ["gloo"], None)
    assert environment.horovod().state == "ok"
    assert "without NCCL" in environment.horovod().text


def test_without_tensorflow_a_run_that_trains_cannot_work_and_one_that_does_not_can() -> None:
    def imports(**document: Any) -> Finding:
        environment = JobEnvironment(Run(Path("/scratch/run"), RunConfig.model_validate(document)))
        lacks = {"tensorflow": "ModuleNotFoundError: No module named 'tensorflow'", "keras": "no backend"}
        environment.__dict__["_environment"] = Environment("3.11", {}, [], ["torch"], [], "no", lacks)
        return environment.imports()

    trained = {"network": {"checkpoint": "model.h5"}}
    assert imports(**trained).state == "ok"
    assert imports().state == "FAIL"
    assert imports().text.startswith("the run trains, without TensorFlow: ModuleNotFoundError: No module")
    keras = imports(**trained, inference={"engine": "keras"})
    assert (keras.state, "export KERAS_BACKEND=torch" in keras.text) == ("FAIL", True)


def test_a_worker_init_that_fails_is_quoted(tmp_path: Path) -> None:
    environment = environment_on("slurm", tmp_path, "echo loading; echo 'no such module: conda' >&2; exit 3")
    finding = environment.imports()
    assert finding.state == "FAIL"
    assert finding.text.startswith("exit code 3: no such module: conda; mend site.worker_init")
    assert environment.horovod().state == "skip"


def test_what_a_login_has_not_exported_a_job_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".bash_profile").write_text("module() { true; }; export OF_THE_PROFILE=1")
    monkeypatch.setenv("HOME", str(tmp_path))
    worker_init = 'test -n "$OF_THE_PROFILE" || exit 4; module load python || exit 3'
    finding = environment_on("pbs", tmp_path, worker_init).imports()
    assert (finding.state, "exit code 3: " in finding.text, "module: command not found" in finding.text) == (
        "FAIL",
        True,
        True,
    )


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
