"""Whether the C code of inference is there for a run that could use it."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.inference.engines.winograd import CPU_FEATURE, WIDTHS, library, required
from pipeline.machine import processor
from pipeline.run_folder import Run


def compiled(run: Run) -> Finding:
    """Whether winograd.c was compiled when this program was set up, of a run that works on this machine.

    Raises InputError where the run asks for it and cannot have it.
    """
    network, engine = run.config.network, run.config.inference.engine
    if engine not in ("auto", "winograd"):
        return skip(f"inference.engine is {engine!r}")
    if engine == "winograd":
        required(network)
    if library(network) is not None:
        return ok("winograd.c is compiled")
    if network.features not in WIDTHS or CPU_FEATURE not in processor.cpu_flags():
        return skip("winograd.c is not for this network or CPU")
    return warn(
        "winograd.c was not compiled when this program was set up; the network runs without it, more slowly",
        "install gcc 8 or newer, then build and install this program again",
    )
