"""Which cores and which GPU of a node each of its workers, or ranks, has to itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from site_configs.machine import Node, cores_in


class Share(NamedTuple):
    """What one process of a node has."""

    cpus: tuple[int, ...]
    """Hardware threads by their numbers, the other threads of a core with the first."""
    gpu: str | None


def shares(node: Node, processes: int) -> list[Share]:
    """What each of the processes on a node has, in order; none where its groups are not known.

    Fewer processes than groups have whole groups, and the GPU of the first of theirs. More share a group's
    GPU and split its cores; where there are too few of these, all have all.
    """
    groups = node.groups
    if not groups:
        return []
    of_group = shared_out(range(len(groups)), processes)
    found = []
    for process, group in enumerate(of_group):
        if processes <= len(groups):
            last = of_group[process + 1] if process + 1 < processes else len(groups)
            cores: Sequence[int] = [core for own in groups[group:last] for core in cores_in(own.cores)]
        else:
            cores = _part(
                cores_in(groups[group].cores), of_group.count(group), process - of_group.index(group)
            )
        found.append(Share(_with_threads(node, cores), groups[group].gpu))
    return found


def shared_out(things: Sequence[int], processes: int) -> list[int]:
    """The thing of each process, in order, as even as can be."""
    return [things[process * len(things) // processes] for process in range(processes)]


def as_list(cpus: Sequence[int]) -> str:
    """Numbers as `24-31,56-63`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def as_mask(cpus: Sequence[int]) -> str:
    """Numbers as Slurm's hexadecimal mask."""
    return f"{sum(1 << cpu for cpu in cpus):#x}"


def _part(cores: Sequence[int], parts: int, part: int) -> Sequence[int]:
    if parts > len(cores):
        return cores
    return cores[part * len(cores) // parts : (part + 1) * len(cores) // parts]


def _with_threads(node: Node, cores: Sequence[int]) -> tuple[int, ...]:
    assert node.cores is not None, "groups are checked against it"
    return tuple(core + thread * node.cores for thread in range(node.threads_per_core) for core in cores)
