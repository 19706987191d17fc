"""PBS Pro's commands as Polaris and Aurora have them: qsub, qstat, qselect and qdel.

Written from the PBS documentation and from what users of those machines report: 153 for an unknown id,
35 for a finished job that was asked for without -x, -29 for a job that ran out of walltime, and
`qstat -F json` that, asked for several jobs, answers for the first alone.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import time
from pathlib import Path

from tests.emulators.command import Answer
from tests.emulators.system import Job, State, System

SERVER = "polaris-pbs-01"
DIRECTIVE = "#PBS "
TEMPORARY_ENDING = "hsn.cm.polaris.alcf.anl.gov"
"""Of the name of a job's own folder of temporary files, which makes its path too long for many a socket."""
UNKNOWN, FINISHED = 153, 35
KILLED_WALLTIME = -29
LIMITS = Answer(188, "", "qsub: Job violates queue and/or server resource limits\n")
REFUSALS = {
    "queue": Answer(170, "", "qsub: Unknown queue\n"),
    "nodes": LIMITS,
    "walltime": LIMITS,
    "jobs": Answer(38, "", "qsub: would exceed queue generic's per-user limit\n"),
}
"""By what a queue has refused a job for."""


def _qsub_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("qsub", add_help=False)
    parser.add_argument("-l", action="append", default=[])
    for flag in ("-A", "-q", "-N", "-o", "-e", "-S", "-m", "-r", "-k", "-j", "-W", "-v"):
        parser.add_argument(flag)
    parser.add_argument("-h", action="store_true")
    parser.add_argument("script")
    return parser


def qsub(system: System, argv: list[str]) -> Answer:
    """Submit a script; PBS keeps a copy of it as it is now."""
    asked = _qsub_parser().parse_args(argv)
    script = Path(asked.script)
    if not script.is_file():
        return Answer(1, "", f"qsub: script file {asked.script} cannot be loaded: No such file\n")
    lines = [line for line in script.read_text().splitlines() if line.startswith(DIRECTIVE)]
    words = [word for line in lines for word in line[len(DIRECTIVE) :].split()]
    asked = _qsub_parser().parse_args(words + argv)
    # of a resource that directives ask for twice PBS takes the first (qsub.c, set_resources)
    resources = dict(item.split("=", 1) for option in asked.l[::-1] for item in option.split(","))
    nodes = int(resources.get("select", "1").split(":")[0])
    for wanted in ("walltime", "filesystems"):
        if wanted not in resources:
            return Answer(1, "", f"qsub: Job rejected: {wanted} must be specified\n")
    if not asked.A:
        return Answer(1, "", "qsub: Account must be specified with -A\n")
    if not 0 < nodes <= len(system.peek().nodes):
        return LIMITS
    name = asked.N or script.name
    return _queue(system, asked, name, nodes, _seconds(resources["walltime"]), script)


def _queue(
    system: System, asked: argparse.Namespace, name: str, nodes: int, walltime_s: int, script: Path
) -> Answer:
    here = os.getcwd()
    job = Job(
        id=0,
        name=name,
        user=getpass.getuser(),
        command=[asked.S or "/bin/bash"],
        nodes=nodes,
        walltime_s=walltime_s,
        queue=asked.q or "workq",
        project=asked.A,
        cwd=os.path.expanduser("~"),
        stdout="",
        stderr="",
        environment={
            "PBS_O_WORKDIR": here,
            "PBS_O_PATH": os.environ["PATH"],
            **dict(pair.split("=", 1) for pair in (asked.v or "").split(",") if pair),
        },
        hold="user" if asked.h else "",
    )

    def name_files(job: Job) -> None:
        shutil.copy(script, spooled(system, job))
        job.stdout = asked.o or f"{here}/{name}.o{job.id}"
        job.stderr = asked.e or f"{here}/{name}.e{job.id}"

    refusal = system.submit(job, name_files)
    if refusal:
        return REFUSALS[refusal]
    return Answer(0, f"{full_id(job.id)}\n")


def spooled(system: System, job: Job) -> Path:
    """Where PBS keeps the copy of the script that it runs."""
    return system.folder / f"{job.id}.SC"


def full_id(job_id: int) -> str:
    """An id as qsub prints it."""
    return f"{job_id}.{SERVER}"


def _number(word: str) -> int:
    head = word.split(".")[0]
    return int(head) if head.isdigit() else -1


def _seconds(walltime: str) -> int:
    seconds = 0
    for part in walltime.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def qstat(system: System, argv: list[str]) -> Answer:
    """`qstat -x -f -F json ID`, as OpenPBS answers it: for several ids, the first alone."""
    parser = argparse.ArgumentParser("qstat")
    for flag in ("-x", "-f", "-w"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-F", choices=["json"], required=True)
    parser.add_argument("ids", nargs="+")
    asked = parser.parse_args(argv)
    document: dict[str, object] = {
        "timestamp": int(time.time()),
        "pbs_version": "2024.1.2.20241017100211",
        "pbs_server": SERVER,
    }
    with system.transaction() as state:
        job = state.jobs.get(_number(asked.ids[0]))
        hidden = job is not None and job.hidden_for > 0
        if job is not None and hidden:
            job.hidden_for -= 1
    if job is None or hidden:
        return Answer(UNKNOWN, json.dumps(document, indent=4), f"qstat: Unknown Job Id {asked.ids[0]}\n")
    if job.state == "done" and not asked.x:
        advice = "Job has finished, use -x or -H to obtain historical job information"
        return Answer(FINISHED, json.dumps(document, indent=4), f"qstat: {full_id(job.id)} {advice}\n")
    document["Jobs"] = {full_id(job.id): attributes(job)}
    return Answer(0, json.dumps(document, indent=4))


def attributes(job: Job) -> dict[str, object]:
    """What `qstat -f` tells about a job."""
    told: dict[str, object] = {
        "Job_Name": job.name,
        "Job_Owner": f"{job.user}@polaris-login-01",
        "job_state": shown_state(job),
        "queue": job.queue,
        "Account_Name": job.project,
        "Output_Path": job.stdout,
        "Error_Path": job.stderr,
        "Resource_List": {"nodect": job.nodes, "walltime": time.strftime("%T", time.gmtime(job.walltime_s))},
    }
    if job.placed:
        told["exec_host"] = "+".join(f"{node}/0*64" for node in job.placed)
    if job.state == "done" and job.exit_status is not None:
        told["Exit_status"] = job.exit_status
    return told


def shown_state(job: Job) -> str:
    """The state as PBS's letter."""
    if job.state == "queued":
        return "H" if job.hold else "Q"
    return {"starting": "R", "running": "R", "killing": "E", "done": "F"}[job.state]


def qselect(system: System, argv: list[str]) -> Answer:
    """Ids of jobs by name and user; finished ones only with -x. None is an empty answer, not an error."""
    parser = argparse.ArgumentParser("qselect")
    parser.add_argument("-x", action="store_true")
    parser.add_argument("-N")
    parser.add_argument("-u")
    asked = parser.parse_args(argv)
    with system.transaction() as state:
        users = [job for job in state.jobs.values() if asked.u in (None, job.user)]
        named = [job for job in users if asked.N in (None, job.name)]
        seen = [job for job in named if not job.hidden_for]
        for job in named:
            job.hidden_for = max(0, job.hidden_for - 1)
    chosen = [job for job in seen if asked.x or job.state != "done"]
    return Answer(0, "".join(f"{full_id(job.id)}\n" for job in chosen))


def qdel(system: System, argv: list[str]) -> Answer:
    """Delete jobs; the code is that of the last one that could not be deleted."""
    code, remarks = 0, ""
    with system.transaction() as state:
        for word in argv:
            job = state.jobs.get(_number(word))
            if job is None:
                code, remarks = UNKNOWN, remarks + f"qdel: Unknown Job Id {word}\n"
            elif job.state == "done":
                code, remarks = FINISHED, remarks + f"qdel: Job has finished {full_id(job.id)}\n"
            else:
                job.end_by = "user"
                if job.state == "queued":
                    ended(job, state)
    system.start_jobs()
    return Answer(code, "", remarks)


def start_command(system: System, job: Job) -> list[str]:
    """PBS runs its copy of the script, on the job's first node."""
    return [*job.command, str(spooled(system, job))]


def environment(system: System, job: Job) -> dict[str, str]:
    """What a job finds: a login's environment, and nothing of the submitting shell without -v or -V."""
    nodefile = system.folder / f"{job.id}.nodes"
    nodefile.write_text("".join(f"{node}\n" for node in job.placed))
    temporary = system.folder / f"tmp/pbs.{full_id(job.id)}.{TEMPORARY_ENDING}"
    temporary.mkdir(parents=True)
    return {
        "PATH": f"{system.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": os.path.expanduser("~"),
        "USER": job.user,
        "LOGNAME": job.user,
        "SHELL": "/bin/bash",
        "TMPDIR": str(temporary),
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": full_id(job.id),
        "PBS_JOBNAME": job.name,
        "PBS_QUEUE": job.queue,
        "PBS_NODEFILE": str(nodefile),
        "PBS_O_HOST": "polaris-login-01",
        **job.environment,
    }


def signalled(number: int) -> int:
    """The Exit_status of a script that a signal ended."""
    return 256 + number


def ending(job: Job, state: State) -> None:
    """What is written when a job is about to be ended early."""
    if job.end_by == "walltime":
        used, limit = round(job.walltime_s) + 2, round(job.walltime_s)
        with open(job.stderr, "a") as file:
            file.write(f"=>> PBS: job killed: walltime {used} exceeded limit {limit}\n")


def ended(job: Job, state: State) -> None:
    """The script has ended, or the job was deleted in the queue: then it has no Exit_status."""
    job.state = "done"
    if job.end_by == "walltime":
        job.exit_status = KILLED_WALLTIME
    if not state.history:
        state.forget(job)
