"""Runs on sites with a batch system that say all that their site asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import site_configs
from pipeline.config import RunConfig
from pipeline.run_folder import Run

COMPLETE: dict[str, dict[str, Any]] = {
    "pbs": {"queue": "workq", "ranks_per_node": 2, "gpus_per_node": 2},
    "slurm": {"queue": "debug", "ranks_per_node": 2, "tile_nodes": 4, "scheduler_options": ["--mem=0"]},
    "perlmutter": {"account": "m1234", "queue": "regular", "worker_init": "module load python"},
    "frontier": {"account": "abc123", "tile_nodes": 2, "reservation": "brain"},
    "polaris": {"account": "EM", "queue": "debug-scaling", "filesystems": "home:eagle", "tile_nodes": 4},
    "aurora": {
        "account": "EM",
        "queue": "capacity",
        "filesystems": "home:flare",
        "scheduler_options": ["-m e"],
    },
    "theta": {"account": "EM", "queue": "default", "worker_init": "module load miniconda-3"},
}


def run_on(name: str, ranks: int = 8, **site: Any) -> Run:
    settings = {"name": name, "walltime_s": 3600, "interface": "lo", **COMPLETE[name], **site}
    config = {"site": settings, "training": {"ranks": ranks, "threads_per_rank": 2}}
    return Run(Path("/scratch/run"), site_configs.with_defaults(RunConfig.model_validate(config)))
