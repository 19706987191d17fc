"""What setup.cfg cannot hold: the C code of inference."""

from setuptools import Extension, setup

ENGINES = "pipeline/inference/engines"

setup(
    ext_modules=[
        Extension(
            f"{ENGINES}/_winograd".replace("/", "."),
            [f"{ENGINES}/winograd.c"],
            extra_compile_args=["-std=gnu11", "-O3", "-fopenmp", "-mavx512f"],
            extra_link_args=["-fopenmp"],
            # There may be no compiler, or none that knows AVX-512; then OpenVINO runs the network.
            optional=True,
        )
    ]
)
