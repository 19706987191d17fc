"""What setup.cfg cannot hold: the C code of the network and of evaluation."""

import platform

from setuptools import Extension, setup

WINOGRAD = "pipeline/ffn/winograd"
EVALUATION = "pipeline/evaluation"

INSTRUCTIONS = {
    "x86_64": {"avx512": ["-mavx512f"], "avx2": ["-mavx2", "-mfma"]},
    "aarch64": {"neon": []},
}
"""Of each kind of machine, with the options by which a compiler uses them; compiled.py chooses among them."""

setup(
    ext_modules=[
        Extension(
            f"{WINOGRAD}/_winograd_{name}".replace("/", "."),
            [f"{WINOGRAD}/forward.c", f"{WINOGRAD}/backward.c"],
            depends=[f"{WINOGRAD}/winograd.h"],
            extra_compile_args=["-std=gnu11", "-O3", "-fopenmp", *options],
            extra_link_args=["-fopenmp"],
            # There may be no compiler, or none that knows these; then OpenVINO runs the network.
            optional=True,
        )
        for name, options in INSTRUCTIONS.get(platform.machine(), {}).items()
    ]
    + [
        Extension(
            f"{EVALUATION}/_compiled".replace("/", "."),
            [f"{EVALUATION}/compiled.c"],
            extra_compile_args=["-std=gnu11", "-O3"],
            # There may be no compiler; then NumPy counts.
            optional=True,
        )
    ]
)
