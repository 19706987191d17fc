"""What setup.cfg cannot hold: the C code of inference, one source for two precisions."""

from setuptools import Extension, setup

ENGINES = "pipeline/inference/engines"
MACHINES = {
    "float32": ["-mavx512f"],
    "bfloat16": ["-mavx512f", "-mavx512vl", "-mavx512bf16", "-DBF16"],
}

setup(
    ext_modules=[
        Extension(
            f"{ENGINES}/_winograd_{precision}".replace("/", "."),
            [f"{ENGINES}/winograd.c"],
            extra_compile_args=["-std=gnu11", "-O3", "-fopenmp", *machine],
            extra_link_args=["-fopenmp"],
            # A compiler may not know AVX-512 or its bfloat16; then OpenVINO runs the network.
            optional=True,
        )
        for precision, machine in MACHINES.items()
    ]
)
