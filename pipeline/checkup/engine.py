"""Whether the C code is there for a run that could use it."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.evaluation.compiled import library
from pipeline.ffn.winograd.compiled import cpu_instructions, instructions, is_for, required
from pipeline.run_folder import Run


def compiled(run: Run) -> Finding:
    """Whether the C code was compiled when this program was set up, of a run that works on this machine.

    Raises InputError where the run asks for it and cannot have it.
    """
    network, engine = run.config.network, run.config.inference.engine
    if run.config.trains and run.config.training.engine == "winograd":
        required(network, "training.engine")
    if engine not in ("auto", "winograd"):
        return skip(f"inference.engine is {engine!r}")
    if engine == "winograd":
        required(network, "inference.engine")
    if not is_for(network) or not cpu_instructions():
        return skip("the C code is not for this network or CPU")
    best, found = cpu_instructions()[0], instructions()
    if found == best:
        return ok(f"the C code is compiled for {best}")
    return warn(
        f"the C code was not compiled for {best} when this program was set up; inference runs with "
        f"{found or 'another engine'}, more slowly",
        "install gcc 8 or newer, then build and install this program again",
    )


def counting() -> Finding:
    """Whether compiled.c, by which scores are counted, was compiled when this program was set up."""
    if library() is not None:
        return ok("compiled.c is compiled")
    return warn(
        "compiled.c was not compiled when this program was set up; NumPy counts what is scored, the same, "
        "with about 4 times the time",
        "install gcc 8 or newer, then build and install this program again",
    )
