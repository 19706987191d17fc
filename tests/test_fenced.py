"""Nothing in a run folder is removed, moved or overwritten but behind the fence, or for a known reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
PACKAGES = ("pipeline", "apps", "site_configs", "workflows")

MODULES = ("os", "shutil")
REMOVE = {"unlink", "rmtree", "rmdir", "removedirs", "rename", "renames", "truncate", "ftruncate"}
MOVE = {"rename", "renames", "replace", "move"}
"""What they lose is what was at the new name."""
OF_MODULES = {"remove", "replace", "move", "copyfile", "copy", "copy2", "copytree", "pwrite"}
"""Names of methods too, of lists and strings, which remove nothing."""
WRITE = {"write_text", "write_bytes", "touch"}
GIVE_TEMPORARIES = ("publishing", "temporary_for")

WITHOUT_FENCE = {
    "pipeline/results/artifacts.py temporary_for": "a name that nobody else knows",
    "pipeline/results/artifacts.py remove": "under a temporary name, which it got behind the fence",
    "pipeline/results/hdf5_file.py write_hdf5": "a temporary file that `make` gives",
    "pipeline/results/sealed_hdf5.py sealed_hdf5": "in memory",
    "pipeline/evaluation/stage.py save_counts": "a temporary file that `make` gives",
    "pipeline/evaluation/skeleton_files.py write_skeletons": "a temporary file that `make` gives",
    "pipeline/results/attempts/fencing.py raise_fence": "the fence itself, locked alone",
    "pipeline/results/attempts/ownership.py _write": "the owner file, locked; `release` is behind the fence",
    "pipeline/results/attempts/ownership.py _open": "opened as it is, and locked",
    "pipeline/results/attempts/ownership.py _claim_number": "made only if it is not there",
    "pipeline/results/attempts/provenance.py record_start": "named by the attempt's own number",
    "pipeline/results/attempts/provenance.py _append": "a line that says of which attempt it is",
    "pipeline/results/gates.py decide": "a line, which a person adds who is in no attempt",
    "pipeline/sections/stack.py dump": "a temporary file that `make` gives",
    "pipeline/report/stage.py _put": "a temporary file that `make` or `publishing` gives",
    "pipeline/synthetic/microscope.py take": "a folder of a made-up microscope, of no run",
    "pipeline/synthetic/microscope.py _save": "the same",
    "pipeline/downloads/fetch.py _fetch_file": "a folder of published data, of no run",
    "pipeline/downloads/fetch.py _set_aside": "a folder of published data, of no run",
    "pipeline/downloads/fib25.py _unpack": "a temporary file that `make` gives",
    "pipeline/checkup/folder.py locks": "in a folder of its own",
    "pipeline/checkup/folder.py clock": "in a folder of its own",
    "pipeline/inference/endurance/memory_share.py _share": "empty files of this machine, which are locked",
    "pipeline/inference/engines/shared.py connect": "an empty file of this machine, which is locked",
    "pipeline/training/ranks/cores.py _lock": "the same",
    "pipeline/inference/engines/batches.py main": "a socket with the attempt's number in its name",
    "site_configs/checkup/trial.py _asked": "a script in a temporary folder",
    "site_configs/providers/batch.py submit": "a script of a name drawn for this job",
    "site_configs/providers/local.py submit": "a script of a name drawn for this block",
    "site_configs/tether.py main": "in the folder of this attempt's Parsl",
    "workflows/evaluate.py _write": "a file that the user names, of no run",
    "pipeline/viewing/browser.py draw": "a file that the user names",
    "pipeline/export/hdf5.py write_hdf5": "a temporary file beside one that the user names",
    "pipeline/export/hdf5.py truncate": "the same",
    "pipeline/export/ome_zarr.py write_ome_zarr": "a temporary folder beside one that the user names",
    "pipeline/export/files.py new_folder": "a name of the user's for what nothing has yet",
    "pipeline/export/shapes.py write_obj": "a temporary file beside one that the user names",
    "pipeline/export/shapes.py write_swc": "the same",
    "workflows/output.py write": "/dev/null",
    "workflows/studies/scaling_point.py _row_of_cubes": "a folder made just now, before any attempt in it",
    "workflows/studies/scaling_point.py _work": "the output of a program, beside its run folder",
}


class Visitor(ast.NodeVisitor):
    """Collects the calls that remove, move or write a file, each with the function that it stands in."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.function = ""
        self.fenced = False
        self.temporaries: set[str] = set()
        self.found: list[tuple[str, str]] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = self.function, self.fenced, self.temporaries
        self.function, self.fenced = node.name, False
        # what `make` calls with a temporary file is always named so
        self.temporaries = {"path"} if node.name == "write" else set()
        self.generic_visit(node)
        self.function, self.fenced, self.temporaries = before

    def visit_With(self, node: ast.With) -> None:
        before = self.fenced, self.temporaries
        for item in node.items:
            called = ast.unparse(item.context_expr.func) if isinstance(item.context_expr, ast.Call) else ""
            if called in GIVE_TEMPORARIES and item.optional_vars:
                self.temporaries = self.temporaries | {ast.unparse(item.optional_vars)}
            self.visit(item.context_expr)
            self.fenced = self.fenced or called == "fence"
        for statement in node.body:
            self.visit(statement)
        self.fenced, self.temporaries = before

    def visit_Call(self, node: ast.Call) -> None:
        target = changed(node)
        if target is not None and not self.fenced and target not in self.temporaries:
            self.found.append((f"{self.module} {self.function}", ast.unparse(node)))
        self.generic_visit(node)


def changed(call: ast.Call) -> str | None:
    """What a call removes, moves or writes, as it stands in the source; None: nothing."""
    function, arguments = call.func, [ast.unparse(argument) for argument in call.args]
    if isinstance(function, ast.Name):
        return arguments[0] if function.id == "open" and writes(call) else None
    if not isinstance(function, ast.Attribute):
        return None
    owner, name = ast.unparse(function.value), function.attr
    if owner in MODULES and name in REMOVE | OF_MODULES:
        return arguments[1] if name in MOVE or name.startswith("copy") else arguments[0]
    if ((owner == "os" and name == "open") or name == "File") and writes(call):
        return arguments[0]
    is_of_path = name in MOVE and len(arguments) == 1 and not call.keywords
    if is_of_path:
        return arguments[0]
    if name in REMOVE | WRITE or (name == "open" and owner != "os" and writes(call, first=0)):
        return owner
    return None


def writes(call: ast.Call, first: int = 1) -> bool:
    """Whether a call that opens a file opens it to write."""
    how = [*call.args[first : first + 1], *(k.value for k in call.keywords if k.arg in ("mode", "flags"))]
    modes = [str(argument.value) for argument in how if isinstance(argument, ast.Constant)]
    flags = "".join(ast.unparse(argument) for argument in how)
    return bool(set("".join(modes)) & set("wax+")) or any(
        sign in flags for sign in ("O_WRONLY", "O_RDWR", "O_TRUNC", "O_CREAT")
    )


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def found_in(source: str, module: str = "") -> list[tuple[str, str]]:
    visitor = Visitor(module)
    visitor.visit(ast.parse(source))
    return visitor.found


def test_whatever_removes_moves_or_writes_a_file_does_so_behind_the_fence_or_for_a_known_reason() -> None:
    found = [
        call
        for module in modules()
        for call in found_in(module.read_text(), str(module.relative_to(REPOSITORY)))
    ]
    assert [call for call in found if call[0] not in WITHOUT_FENCE] == []
    assert set(WITHOUT_FENCE) == {place for place, _ in found}, "reasons for what is not there any more"


def test_what_removes_files_is_called_by_its_module() -> None:
    """Else the test above would not see it."""
    wrong = [
        f"{module.relative_to(REPOSITORY)}: {ast.unparse(node)}"
        for module in modules()
        for node in ast.walk(ast.parse(module.read_text()))
        if (isinstance(node, ast.ImportFrom) and node.module in MODULES)
        or (isinstance(node, ast.Import) and any(a.name in MODULES and a.asname for a in node.names))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "call",
    [
        "path.unlink()",
        "os.unlink(path)",
        "os.remove(path)",
        "os.replace(other, path)",
        "other.replace(path)",
        "other.rename(path)",
        "shutil.rmtree(path, ignore_errors=True)",
        "shutil.move(other, path)",
        "shutil.copyfile(other, path)",
        "os.truncate(path, 0)",
        "open(path, 'w')",
        "open(path, mode='ab')",
        "path.open('w')",
        "os.open(path, os.O_RDWR)",
        "h5py.File(path, 'r+')",
        "path.write_text('x')",
    ],
)
def test_the_test_sees_every_way_to_lose_a_file(call: str) -> None:
    assert found_in(call)
    assert found_in(f"with fence():\n def later():\n  {call}")
    assert not found_in(f"with fence():\n {call}")
    assert not found_in(f"with publishing(a) as path:\n {call}")


@pytest.mark.parametrize(
    "call",
    ["text.replace('a', 'b')", "names.remove(name)", "open(path)", "open(path, 'rb')", "h5py.File(path)"],
)
def test_the_test_takes_nothing_else_for_it(call: str) -> None:
    assert not found_in(call)
