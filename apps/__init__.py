"""The stages as Parsl apps: each unpacks nothing, calls one function of `pipeline` and returns its artifact.

An app names the executor it runs on: `head` is a thread of the driver, which stands on a login node, for what
writes a few lines and for the report; `train` for the one multi-rank task, `tiles` for the heavy ones,
`light` for the rest, which is `tiles` where a site has no other place for it.
Arguments given as `after=` are only waited for. `targets` says what each app makes. Imports stand inside
the functions, so that the driver never loads TensorFlow and a worker loads only what its tasks need.
"""

import os

from pipeline.machine.gpus import take_own
from pipeline.machine.processes import die_with_parent

# A Parsl worker imports this package with its first task. Parsl's worker notices the death of its manager
# only between tasks: until then it would go on beside the retry of its own task, ranks and all.
if "PARSL_WORKER_RANK" in os.environ:
    die_with_parent(os.getppid())
    take_own(int(os.environ["PARSL_WORKER_RANK"]))
