"""Batch systems that are not there, for tests: Cobalt and PBS Pro on this machine.

The fixtures `cobalt` and `pbs` (tests/conftest.py) put qsub, qstat, qdel, aprun or mpiexec on PATH and
give a `Cluster` (cluster.py), whose methods are the knobs: `stop` and `start` the queue, `hold`,
`hide`, `vanish`, `lose_node`, `silence`, `break_next`, and `change` for the length of a minute, the
grace before SIGKILL and PBS's history. Virtual nodes share this machine's host name: a rank finds its
node in EMULATED_NODE and the CPUs it would be bound to in EMULATED_CPUS.
"""
