"""The address at which nodes are to reach the driver: real sockets."""

from __future__ import annotations

import socket
from pathlib import Path

from pipeline.checkup import examine
from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs.checkup.address import address
from site_configs.executors import WORKER_PORTS


def run_on(site: str, **settings: str) -> Run:
    return Run(Path("/scratch/run"), RunConfig.model_validate({"site": {"name": site, **settings}}))


def test_this_machine_reaches_itself() -> None:
    finding = address(run_on("local"))
    assert finding.state == "ok"
    assert finding.text.startswith("127.0.0.1, port 54")


def test_a_port_that_is_taken_is_passed_over() -> None:
    first = int(address(run_on("local")).text.split()[2])
    with socket.create_server(("127.0.0.1", first)):
        second = int(address(run_on("local")).text.split()[2])
    assert second != first
    assert {first, second} <= set(range(*WORKER_PORTS))


def test_a_loopback_address_is_no_use_to_nodes() -> None:
    finding = address(run_on("slurm", interface="lo"))
    assert finding.state == "warn"
    assert "other machines do not reach this address; name in site.interface" in finding.text


def test_an_interface_that_is_not_here_is_named() -> None:
    finding = examine(lambda: address(run_on("slurm", interface="hsn9")))
    assert finding.state == "FAIL"
    assert "no network interface 'hsn9'" in finding.text
