"""Parsl's executor, mended: paths are quoted, and an interchange that cannot start is not waited for."""

from __future__ import annotations

import glob
import os
import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq
from parsl.curvezmq import create_certificates
from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.executors.status_handling import BlockProviderExecutor
from parsl.jobs.states import JobStatus

from pipeline.errors import InputError
from pipeline.machine.own import module_command
from site_configs.last_words import cause
from site_configs.tether import interchange_command

START_S = 120.0
LOOK_EVERY_MS = 200
PATHS = ("cert_dir", "logdir", "logconf")
"""Placeholders of Parsl's launch command that stand for paths."""


class Executor(HighThroughputExecutor):
    """Workers that are started by our worker pool; every path on their command line is quoted.

    Parsl fills in its launch command in two steps, and any path would be a template in the second. So paths
    are left to that one, as Parsl leaves the number of the block.
    """

    python: Sequence[str] = ()
    """The words that start the pool's Python; none: this process's."""

    def start(self) -> None:
        """Start the interchange and connect to it. Raises InputError, which says why, when it ends."""
        certificates: Any = without_patterns(create_certificates(self.logdir))
        self.cert_dir = certificates
        self.interchange_launch_cmd = interchange_command(self._interchange_output)
        super().start()

    def status(self) -> dict[str, JobStatus]:
        """States of blocks as the provider tells them: to Parsl all are missing that ended without a worker,
        those that somebody cancelled in the queue too."""
        return BlockProviderExecutor.status(self)

    def _get_launch_command(self, block_id: str) -> str:
        assert self.launch_cmd is not None, "Parsl has filled in what it knows when it starts"
        paths = (f"{self.logdir}/certificates", self.worker_logdir, str(self.logconf_path))
        quoted = {placeholder: shlex.quote(path) for placeholder, path in zip(PATHS, paths)}
        pool = shlex.join(module_command("site_configs.worker_pool", python=self.python))
        return self.launch_cmd.format(pool=pool, block_id=block_id, **quoted)

    def _start_local_interchange_process(self) -> None:
        client: Any = self.command_client
        client.run = self._first_answer
        try:
            super()._start_local_interchange_process()
        except BrokenPipeError:  # it ended before it was told what to do
            raise self._no_interchange() from None
        finally:
            del client.run

    def _first_answer(self, question: object, timeout_s: float = START_S) -> object:
        """What the interchange answers first, as by Parsl's command client, while it lives."""
        deadline, socket = time.monotonic() + timeout_s, self.command_client.zmq_socket
        for turn in (zmq.POLLOUT, zmq.POLLIN):
            while not socket.poll(LOOK_EVERY_MS, turn):
                assert self.interchange_proc is not None, "it is started before it is asked"
                if self.interchange_proc.poll() is not None or time.monotonic() > deadline:
                    raise self._no_interchange()
            if turn == zmq.POLLOUT:
                socket.send_pyobj(question)
        return socket.recv_pyobj()

    def _no_interchange(self) -> InputError:
        process = self.interchange_proc
        status = None if process is None else process.wait(1) if process.poll() is None else process.poll()
        how = "does not answer" if status is None else f"ended with status {status}"
        try:
            said = cause(self._interchange_output.read_text(errors="replace"))
        except OSError as error:
            said = str(error)
        return InputError(
            f"Parsl's interchange for executor {self.label!r} {how} when it was started: "
            f"{said or 'without a word'}; its logs are in {self.logdir}"
        )

    @property
    def _interchange_output(self) -> Path:
        return Path(self.logdir) / "interchange.output"


def launch_command() -> str:
    """What Parsl is to start on every node, with its placeholders."""
    left = re.sub(rf"{{({'|'.join(PATHS)})}}", r"{{\1}}", DEFAULT_LAUNCH_CMD)
    return f"{{{{pool}}}} {left}"


def without_patterns(folder: str) -> str:
    """A path of the folder, for processes of this machine while this one lives, that glob takes as it is.

    ZeroMQ looks for certificates by a pattern, and would find none in a folder with brackets in its path.
    """
    if glob.escape(folder) == folder:
        return folder
    return f"/proc/{os.getpid()}/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}"
