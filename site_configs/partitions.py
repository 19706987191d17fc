"""What a Slurm cluster says of its partitions, so that a job too large for one is not left in the queue."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import InputError
from site_configs.machine import Limit
from site_configs.providers.scheduler import NoAnswerError, ask

ANSWER_S = 20
UNLIMITED_S = UNLIMITED_NODES = 10**9


def limits_of(partition: str | None) -> tuple[str | None, Sequence[Limit]]:
    """A partition's name, the default one's for None, and its limits: none where `sinfo` does not answer.

    Of several, `a,b`, a job goes to one that takes it: to any number of nodes belongs the longest walltime of
    those that have so many.
    Raises InputError, which lists the partitions, if there is none of a name.
    """
    # the default partition is marked in %P and not in %R; --all: hidden ones take jobs too
    command = ["sinfo", "--all", "--noheader", "--format=%P|%l|%s|%D"]
    try:
        done = ask(command, ANSWER_S)
    except (OSError, NoAnswerError):
        return partition, []  # a dry run elsewhere; sbatch has the last word
    if done.returncode != 0:
        return partition, []
    nodes_of: dict[str, int] = {}
    walltimes_s: dict[str, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for row in (line.strip().split("|") for line in done.stdout.splitlines()):
        if len(row) != 4 or not (row[2][:1].isdigit() and row[3].isdigit()):
            continue  # what a site's own command says around it
        marked, time, size, nodes = row
        name = marked.rstrip("*")
        if marked.endswith("*") and partition is None:
            partition = name
        # one line for each state that nodes are in
        nodes_of[name] = nodes_of.get(name, 0) + int(nodes)
        walltimes_s[name], sizes[name] = seconds(time), nodes_of_a_job(size)
    names = partition.split(",") if partition else []
    for name in names:
        if name not in nodes_of:
            raise InputError(f"site.queue: no partition {name!r}; there are {', '.join(sorted(nodes_of))}")
    taken = sorted(
        (min(nodes_of[name], sizes[name][1]), walltimes_s[name], sizes[name][0])
        for name in names
        if nodes_of[name]
    )
    return partition, [
        Limit(
            nodes=most,
            walltime_s=max(walltime_s for _, walltime_s, _ in taken[number:]),
            fewest=min(fewest for *_, fewest in taken[number:]),
        )
        for number, (most, *_) in enumerate(taken)
    ]


def nodes_of_a_job(size: str) -> tuple[int, int]:
    """The fewest and the most nodes of a job by Slurm's `2-4`, `2-infinite`, or `2` for both."""
    fewest, _, most = size.partition("-")
    return int(fewest), UNLIMITED_NODES if most == "infinite" else int(most or fewest)


def seconds(time: str) -> int:
    """Slurm's [days-]hours:minutes:seconds, or fewer parts, or `infinite`."""
    if not time[:1].isdigit():
        return UNLIMITED_S
    days, _, clock = time.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, rest = [0] * (3 - len(parts)) + parts
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest
