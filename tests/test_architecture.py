"""The shape of the house: imports run one way, and no module grows past its subject."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("pipeline", "apps", "site_configs", "workflows")
MAY_IMPORT = {
    "pipeline": {"pipeline"},
    "apps": {"apps", "pipeline", "parsl"},
    "site_configs": {"site_configs", "pipeline", "parsl"},
    "workflows": {"workflows", "apps", "site_configs", "pipeline", "parsl"},
}
STAGE_PACKAGES = (
    "training",
    "inference",
    "consensus",
    "reconciliation",
    "agglomeration",
    "evaluation",
    "sections",
    "synthetic",
)

MAY_USE = {"agglomeration": "inference"}
"""Agglomeration floods anew, by the very canvas and engine of inference."""


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """Dotted names of all imports of a module, those inside functions too, and those by importlib."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield ast.unparse(node.args[0]).strip("f'\"")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    ours = {*PACKAGES, "parsl", "benchmarks", "tests"}
    wrong = [
        f"{module.relative_to(REPOSITORY)} imports {name}"
        for module in modules(package)
        for name in imported(module)
        if name.split(".")[0] in ours - MAY_IMPORT[package]
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("workflows.ffn", {"parsl", "tensorflow", "cloudvolume", "networkx", "skimage"}),
        ("workflows.watching.status_view", {"tensorflow", "cloudvolume", "networkx", "skimage"}),
        ("site_configs.tether", {"parsl", "pydantic", "numpy"}),
        ("site_configs.worker", {"boto3", "botocore", "sqlalchemy", "requests", "pydantic"}),
        ("pipeline.inference.segmenter", {"tensorflow", "cloudvolume"}),
    ],
)
def test_no_process_loads_a_heavy_library_that_it_can_do_without(module: str, heavy: set[str]) -> None:
    """Each takes up to three seconds, and there are as many processes as commands, workers and blocks."""
    program = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("stage", STAGE_PACKAGES)
def test_stage_packages_do_not_import_each_other(stage: str) -> None:
    others = {f"pipeline.{other}" for other in STAGE_PACKAGES if other not in (stage, MAY_USE.get(stage))}
    files = [m for m in modules("pipeline") if m.relative_to(REPOSITORY / "pipeline").parts[0] == stage]
    wrong = [
        f"{module.relative_to(REPOSITORY)} imports {name}"
        for module in files
        for name in imported(module)
        if any(name == other or name.startswith(f"{other}.") for other in others)
    ]
    assert files
    assert not wrong


def test_only_training_knows_horovod() -> None:
    users = {
        str(module.relative_to(REPOSITORY).parent)
        for package in PACKAGES
        for module in modules(package)
        for name in imported(module)
        if name.startswith("horovod")
    }
    assert users == {"pipeline/training/ranks"}


UNPICKLING = ("pickle.load", "pickle.loads", "recv_pyobj", "allgather_object", "broadcast_object", "recv")
"""Ends of the names of functions that run what a peer has sent; a socket's `recv` has the number of bytes."""


def test_only_those_unpickle_who_know_from_whom() -> None:
    users = {
        str(module.relative_to(REPOSITORY))
        for package in PACKAGES
        for module in modules(package)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(UNPICKLING)
        if not (ast.unparse(node.func).endswith("recv") and node.args)
    }
    assert users == {
        "pipeline/inference/engines/batches.py",  # its standard input
        "pipeline/inference/engines/shared.py",  # a socket in the user's private folder
        "site_configs/executor.py",  # a ZeroMQ socket encrypted with the run's keys
    }
