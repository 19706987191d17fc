"""Cobalt's commands as Theta had them: qsub, qstat and qdel, and what a job finds when it runs.

Written from Cobalt's documentation and the behaviour of its clients: the job id alone on stdout and
remarks on stderr, an unknown id exits 1 without a word, finished jobs are gone, and the exit code
stands in the .cobaltlog alone. The misspelling in the walltime message is Cobalt's own.
"""

from __future__ import annotations

import argparse
import getpass
import math
import os
import shlex
import time
from pathlib import Path

from tests.emulators.command import Answer
from tests.emulators.system import Job, State, System

DEFAULT_HEADER = "JobID:User:WallTime:Nodes:State:Location"
DIRECTIVE = "#COBALT "
REFUSALS = {
    "queue": "queue '{queue}' does not exist\n",
    "nodes": "The nodes requested are not within the limits of the '{queue}' queue\n",
    "walltime": "Walltime greater than the '{queue}' queue max walltime\n",
    "jobs": "The limit of jobs per user in the '{queue}' queue has been reached\n",
}
"""By what a queue has refused a job for."""


def _qsub_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("qsub", add_help=False)
    for flags in (("-A", "--project"), ("-q", "--queue"), ("-t", "--time"), ("-O", "--outputprefix")):
        parser.add_argument(*flags)
    for flag in ("--attrs", "--dependencies", "--jobname", "--mode", "--cwd", "--proccount", "--umask"):
        parser.add_argument(flag)
    parser.add_argument("-n", "--nodecount", type=int)
    parser.add_argument("-o", "--output")
    parser.add_argument("-e", "--error")
    parser.add_argument("--debuglog")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("-h", "--held", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def directives(script: Path) -> list[str]:
    """Options from the `#COBALT` lines, which must follow the `#!` line directly."""
    lines = script.read_text().splitlines()
    options: list[str] = []
    for line in lines[1:] if lines and lines[0].startswith("#!") else []:
        if not line.startswith(DIRECTIVE):
            break
        options += line[len(DIRECTIVE) :].split()
    return options


def qsub(system: System, argv: list[str]) -> Answer:
    """Submit a script."""
    asked = _qsub_parser().parse_args(argv)
    if not asked.command:
        return Answer(1, "", "No executable or script specified\n")
    cwd = Path(asked.cwd or os.getcwd())
    script = cwd / asked.command[0]
    if not script.is_file():
        return Answer(1, "", f"command {script} not found, or is not a file\n")
    if not os.access(script, os.X_OK | os.R_OK):
        return Answer(1, "", f"command {script} is not executable\n")
    asked = _qsub_parser().parse_args(directives(script) + argv)
    if asked.time is None or asked.nodecount is None:
        return Answer(1, "", f"'{'time' if asked.time is None else 'nodecount'}' not provided\n")
    if not 0 < asked.nodecount <= len(system.peek().nodes):
        return Answer(1, "", "node count out of realistic range\n")
    return _queue(system, asked, cwd, [str(script), *asked.command[1:]], argv)


def _queue(
    system: System, asked: argparse.Namespace, cwd: Path, command: list[str], argv: list[str]
) -> Answer:
    job = Job(
        id=0,
        name=asked.jobname or (Path(asked.outputprefix).name if asked.outputprefix else ""),
        user=getpass.getuser(),
        command=command,
        nodes=asked.nodecount,
        walltime_s=_minutes(asked.time) * 60,
        queue=asked.queue or "default",
        project=asked.project or "",
        cwd=str(cwd),
        stdout="",
        stderr="",
        environment={"PATH": os.environ["PATH"], **dict(pair.split("=", 1) for pair in _pairs(asked.env))},
        dependencies=[int(other) for other in (asked.dependencies or "").split(":") if other],
        hold="user" if asked.held else "",
    )

    def name_files(job: Job) -> None:
        prefix = asked.outputprefix or str(job.id)
        job.stdout = str(cwd / (asked.output or f"{prefix}.output"))
        job.stderr = str(cwd / (asked.error or f"{prefix}.error"))
        job.log = str(cwd / (asked.debuglog or f"{prefix}.cobaltlog"))
        if not system.heard:
            return  # the client writes these lines, when it knows the id
        with open(job.log, "a") as log:
            log.write(f"Jobid: {job.id}\nqsub {shlex.join(argv)}\n")
            log.write(f"{_now()} submitted with cwd set to: {cwd}\n")

    refusal = system.submit(job, name_files)
    if refusal:
        return Answer(1, "", REFUSALS[refusal].format(queue=job.queue))
    return Answer(0, f"{job.id}\n", f"Job routed to queue {job.queue!r}.\n")


def _pairs(env: list[str]) -> list[str]:
    return [pair for option in env for pair in option.split(":") if pair]


def _minutes(time_option: str) -> int:
    """Minutes, or HH:MM:SS."""
    if ":" not in time_option:
        return int(time_option)
    hours, minutes, seconds = (int(part) for part in time_option.split(":"))
    return hours * 60 + minutes + math.ceil(seconds / 60)


def qstat(system: System, argv: list[str]) -> Answer:
    """Show jobs: all, a user's, or those whose ids are given. None of the ids known: 1, and not a word."""
    parser = argparse.ArgumentParser("qstat")
    parser.add_argument("-u", "--user", default="*")
    parser.add_argument("--header", default=os.environ.get("QSTAT_HEADER", DEFAULT_HEADER))
    parser.add_argument("ids", nargs="*")
    asked = parser.parse_args(argv)
    wrong = [word for word in asked.ids if not word.isdigit()]
    if wrong:
        return Answer(1, "", f"{wrong[0]} is not a valid jobid or queue name\n")
    rows = []
    with system.transaction() as state:
        for job in state.jobs.values():
            if job.hidden_for:
                job.hidden_for -= 1
            elif asked.user in ("*", job.user) and (not asked.ids or str(job.id) in asked.ids):
                rows.append(_columns(job, state))
    if asked.ids and not rows:
        return Answer(1)
    header = asked.header.split(":")
    return Answer(0, table([header, *([row.get(name.lower(), "-") for name in header] for row in rows)]))


def table(rows: list[list[str]]) -> str:
    """Columns as wide as their widest entry; a line of `=` under the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)) for row in rows]
    lines.insert(1, "=" * len(lines[0]))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def shown_state(job: Job, state: State) -> str:
    """The state in Cobalt's words."""
    if job.state == "queued":
        return f"{job.hold}_hold" if job.hold else state.dependency(job) or "queued"
    return {"done": "exiting"}.get(job.state, job.state)


def _columns(job: Job, state: State) -> dict[str, str]:
    hours, minutes = divmod(int(job.walltime_s // 60), 60)
    return {
        "jobid": str(job.id),
        "jobname": job.name or "N/A",
        "user": job.user,
        "walltime": f"{hours:02d}:{minutes:02d}:00",
        "nodes": str(job.nodes),
        "state": shown_state(job, state),
        "location": location(job) or "None",
        "queue": job.queue,
        "project": job.project,
    }


def location(job: Job) -> str:
    """The job's nodes, neighbours merged: `3824-3827,3832`."""
    runs: list[list[int]] = []
    for node in sorted(int(nid) for nid in job.placed):
        if runs and node == runs[-1][-1] + 1:
            runs[-1].append(node)
        else:
            runs.append([node])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def qdel(system: System, argv: list[str]) -> Answer:
    """Delete jobs; ids that are not there are passed over in silence."""
    wrong = [word for word in argv if not word.isdigit()]
    if wrong or not argv:
        return Answer(1, "", f"jobid must be an integer: {wrong[0]}\n" if wrong else "No Jobid(s) given\n")
    deleted: list[list[str]] = []
    with system.transaction() as state:
        for job in [state.jobs[int(word)] for word in argv if int(word) in state.jobs]:
            deleted.append([str(job.id), job.user])
            say(job, f"Info: user delete requested with signal SIGTERM by user {job.user}")
            job.end_by = "user"
            if job.state == "queued":
                state.forget(job)
    system.start_jobs()
    if not deleted:
        return Answer()
    return Answer(0, "      Deleted Jobs\n" + table([["JobID", "User"], *deleted]))


def start_command(system: System, job: Job) -> list[str]:
    """Cobalt runs the script where it lies, on a service node, and logs with what."""
    found = "".join(f"{name}={value}\n" for name, value in environment(system, job).items())
    say(job, f"Command: {shlex.join(job.command)}\n\nEnvironment:\n{found}")
    return job.command


def environment(system: System, job: Job) -> dict[str, str]:
    """What a job finds: nothing of the submitting shell but PATH and what --env named."""
    nodefile = system.folder / f"cobalt.{job.id}"
    nodefile.write_text("".join(f"{node}\n" for node in job.placed))
    end = job.started + system.peek().real_s(job.walltime_s)
    return {
        "HOME": os.path.expanduser("~"),
        "USER": job.user,
        "LOGNAME": job.user,
        "SHELL": "/bin/bash",
        "COBALT_JOBID": str(job.id),
        "COBALT_PARTNAME": location(job),
        "COBALT_BLOCKNAME": location(job),
        "COBALT_PARTSIZE": str(job.nodes),
        "COBALT_BLOCKSIZE": str(job.nodes),
        "COBALT_JOBSIZE": str(job.nodes),
        "COBALT_NODEFILE": str(nodefile),
        "COBALT_QUEUE": job.queue,
        "COBALT_PROJECT": job.project,
        "COBALT_STARTTIME": str(int(job.started)),
        "COBALT_ENDTIME": str(int(end)),
        **job.environment,
    }


def signalled(number: int) -> int:
    """The exit code of a script that a signal ended."""
    return 128 + number


def ending(job: Job, state: State) -> None:
    """What is written when a job is about to be ended early."""
    if job.end_by == "walltime":
        say(job, "Info: maximum execution time exceeded; initiating job terminiation")


def ended(job: Job, state: State) -> None:
    """The script has ended: the log tells how, and the queue forgets the job."""
    if not job.end_by:
        say(
            job,
            f"Info: task completed normally with an exit code of {job.exit_status}; "
            "initiating job cleanup and removal",
        )
    state.forget(job)


def say(job: Job, line: str) -> None:
    """Write a line to the job's .cobaltlog."""
    with open(job.log, "a") as log:
        log.write(f"{_now()} {line}\n")


def _now() -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y +0000 (UTC)", time.gmtime())
