"""One Horovod rank: `python -m pipeline.training.rank RUN_FOLDER`, started by a launcher.

Exit status 2 says that the last line of standard error is an InputError's message.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pipeline.errors import InputError
from pipeline.processes import die_with_parent
from pipeline.training.job import TrainingJob

LAUNCHER = "FFN_LAUNCHER_PID"
CORES = "FFN_RANK_CORES"
INPUT_ERROR_STATUS = 2


def main() -> int:
    """Train as one rank of the job in the run folder that the command line names."""
    if LAUNCHER in os.environ:
        die_with_parent(int(os.environ[LAUNCHER]))
    _pin_to_cores()
    try:
        job = TrainingJob.load(Path(sys.argv[1]))
        # not before the rank is pinned: TensorFlow counts the cores it may use when it is loaded
        from pipeline.training.trainer import train_rank

        train_rank(job)
    except InputError as error:
        print(error, file=sys.stderr)
        return INPUT_ERROR_STATUS
    return 0


def _pin_to_cores() -> None:
    cores = os.environ.get(CORES)
    if cores:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])


if __name__ == "__main__":
    sys.exit(main())
