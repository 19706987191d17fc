"""Parsl's monitoring: what became of every task, in a database in the run folder; off unless it is asked for.

Parsl's own processes for it would live on when the driver is killed, and die of a Ctrl-C that is the driver's
to handle: they are started through functions of this module, which mend both.
"""

from __future__ import annotations

import multiprocessing
import signal
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

import parsl.monitoring.monitoring as database_starter
import parsl.monitoring.radios.zmq_router as router_starter
from parsl.monitoring import MonitoringHub

from pipeline.errors import InputError
from pipeline.machine.processes import die_with_parent
from pipeline.run_folder import Run


def hub(run: Run) -> MonitoringHub | None:
    """What Parsl is to be given of a run; None where it is not monitored. Raises InputError."""
    if not run.config.site.monitoring:
        return None
    check_monitoring(run)
    database_starter.dbm_starter = keep_database
    database_starter._db_manager_excepts = None  # the driver does without the database's library
    router_starter.zmq_router_starter = pass_messages
    return MonitoringHub(
        workflow_name=run.folder.name,
        # a path may have characters that mean something in a URL
        logging_endpoint=f"sqlite:///file:{quote(str(run.monitoring_file))}?uri=true",
        # 0: no samples of CPU and memory. For them each task forks a process, which outlives a killed worker.
        resource_monitoring_interval=0,
    )


def check_monitoring(run: Run) -> None:
    """Raise InputError where a run is to be monitored and that is not installed."""
    if run.config.site.monitoring and find_spec("sqlalchemy") is None:
        raise InputError(
            "site.monitoring is true, but sqlalchemy is not installed: pip install "
            "'ffn-pipeline[monitoring]', or set site.monitoring to false"
        )


def keep_database(*args: Any, **kwargs: Any) -> None:
    """Parsl's process that writes the database."""
    from parsl.monitoring.db_manager import dbm_starter

    _belong_to_the_driver()
    dbm_starter(*args, **kwargs)


def pass_messages(*args: Any, **kwargs: Any) -> None:
    """Parsl's process that passes on what workers say of their tasks."""
    from parsl.monitoring.radios.zmq_router import zmq_router_starter

    _belong_to_the_driver()
    zmq_router_starter(*args, **kwargs)


def _belong_to_the_driver() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    driver = multiprocessing.parent_process()
    assert driver is not None, "Parsl starts it by multiprocessing"
    assert driver.pid is not None
    die_with_parent(driver.pid)
