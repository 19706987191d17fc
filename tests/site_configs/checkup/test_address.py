"""The address at which nodes are to reach the driver: real sockets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.checkup import examine
from pipeline.config import RunConfig
from pipeline.run_folder import Run
from site_configs.checkup.address import address
from site_configs.executors import WORKER_PORTS, driver_address


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


def test_an_interface_without_an_address_is_told_from_one_that_is_not_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that has IPv6 alone, or is down."""

    def none(interface: str) -> str:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("site_configs.executors.address_by_interface", none)
    finding = examine(lambda: address(run_on("slurm", interface="lo")))
    assert (finding.state, "'lo' has no IPv4 address here" in finding.text) == ("FAIL", True)


def test_a_host_name_without_an_address_is_told_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "no-such-host.invalid")
    finding = examine(lambda: address(run_on("slurm")))
    assert finding.state == "FAIL"
    assert "'no-such-host.invalid', stands for no IPv4 address: set site.interface" in finding.text


@pytest.mark.parametrize(("interface", "reached_at"), [("lo", "127.0.0.1"), ("hsn9", "10.1.2.3")])
def test_the_interface_of_a_machines_nodes_is_the_drivers_where_its_node_has_it(
    interface: str, reached_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "lab.yaml"
    described.write_text(f"description: ours\nscheduler: slurm\ninterface: {interface}\n")
    monkeypatch.setattr("site_configs.executors.address_by_hostname", lambda: "10.1.2.3")
    assert driver_address(run_on(str(described)).config.site) == reached_at
