"""One Horovod rank: module `pipeline.training.ranks.rank RUN_FOLDER [LAUNCH_FILE]`, started by a launcher.

With a LAUNCH_FILE it runs on some node and learns from there which rank it is. An exit status of REFUSED says
that the last line of standard error is such an error's message.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path

from pipeline.errors import InputError, Untrainable
from pipeline.machine.gpus import take_own
from pipeline.machine.processes import die_with_parent
from pipeline.results.attempts import fence
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.ranks.launched_rank import join

LAUNCHER = "FFN_LAUNCHER_PID"
CORES = "FFN_RANK_CORES"
INPUT_ERROR_STATUS, UNTRAINABLE_STATUS = 2, 3
REFUSED: dict[int, type[InputError]] = {INPUT_ERROR_STATUS: InputError, UNTRAINABLE_STATUS: Untrainable}
"""What it is that a rank says last, by its exit status."""


def main() -> int:
    """Train as one rank of the job in the run folder that the command line names."""
    run_folder, *launch_file = map(Path, sys.argv[1:])
    if launch_file:
        status_file = join(launch_file[0])
        _take_own_gpu()
        status = _train(run_folder)
        with fence():  # a newer attempt's launcher must not take it for that of its own rank
            status_file.write_text(str(status))
        return status
    if LAUNCHER in os.environ:
        die_with_parent(int(os.environ[LAUNCHER]))
    _pin_to_cores()
    _take_own_gpu()
    return _train(run_folder)


def _train(run_folder: Path) -> int:
    """The exit status with which this rank's part of the training ends."""
    try:
        job = TrainingJob.load(run_folder)
        # a job's environment may name the backend of inference
        os.environ["KERAS_BACKEND"] = "tensorflow"
        gc.disable()  # what modules make while they are loaded stays
        # not before the rank is pinned: TensorFlow counts the cores it may use when it is loaded
        from pipeline.training.device import require_gpu
        from pipeline.training.trainer import train_rank

        gc.freeze()  # nor is it to be looked through again in the midst of a step
        gc.enable()
        require_gpu(job.run.config.site)
        train_rank(job)
    except InputError as error:
        print(error, file=sys.stderr)
        return UNTRAINABLE_STATUS if isinstance(error, Untrainable) else INPUT_ERROR_STATUS
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _take_own_gpu() -> None:
    take_own(int(os.environ["HOROVOD_LOCAL_RANK"]))


def _pin_to_cores() -> None:
    cores = os.environ.get(CORES)
    if cores:
        os.sched_setaffinity(0, [int(core) for core in cores.split(",")])


if __name__ == "__main__":
    sys.exit(main())
