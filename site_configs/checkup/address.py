"""Whether the driver can be reached where the nodes will look for it."""

from __future__ import annotations

import errno
import ipaddress
import socket

import site_configs
from pipeline.checkup import Finding, fail, ok, warn
from pipeline.run_folder import Run
from site_configs.executors import WORKER_PORTS, driver_address

CONNECT_S = 5.0
THIS_MACHINE = "127.0.0.1"


def address(run: Run) -> Finding:
    """A port that workers may be given is opened at the driver's address, and connected to.

    Raises InputError when the site names an interface that is not here, or nodes could not reach it.
    """
    site_configs.check_address(run)
    has_nodes = bool(site_configs.commands(run))
    where = driver_address(run.config.site) if has_nodes else THIS_MACHINE
    mend = "name in site.interface the network interface that the nodes reach"
    try:
        port = _reached(where)
    except OSError as error:
        return fail(f"{where} cannot be opened and reached: {error}", mend)
    if port is None:
        return fail(f"{where}: no port of {_range()} is free", "end what uses them")
    found = f"{where}, port {port} of {_range()}"
    if has_nodes and ipaddress.ip_address(where).is_loopback:
        return warn(f"{found}: other machines do not reach this address", mend)
    return ok(found)


def _reached(where: str) -> int | None:
    """The first port that is free, once a connection to it was made; None: all are taken. Raises OSError."""
    for port in range(*WORKER_PORTS):
        with socket.socket() as server:
            try:
                server.bind((where, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            server.listen()
            socket.create_connection((where, port), CONNECT_S).close()
            return port
    return None


def _range() -> str:
    return f"{WORKER_PORTS[0]} to {WORKER_PORTS[1] - 1}"
