"""A machine under Cobalt or PBS, emulated, and the provider for it."""

from __future__ import annotations

from pathlib import Path

from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import SimpleLauncher

from site_configs.providers.batch import BatchProvider
from site_configs.providers.cobalt import CobaltProvider
from site_configs.providers.pbs import PbsProvider
from tests.emulators.cluster import Cluster

WAIT_S = 300
"""What a job sleeps that a test ends; far beyond the length of the test."""


class Site:
    """An emulated machine and the provider for it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.provider = self.new_provider()

    def new_provider(self, worker_init: str = "", scheduler_options: str = "") -> BatchProvider:
        kind = CobaltProvider if (self.cluster.bin / "aprun").exists() else PbsProvider
        provider: BatchProvider = kind(
            launcher=SimpleLauncher(),
            account="EM",
            worker_init=worker_init,
            scheduler_options=scheduler_options,
            max_blocks=2,
            walltime="00:30:00",
            cmd_timeout=20,
        )
        if isinstance(provider, PbsProvider):
            provider.filesystems = "home:eagle"
        provider.script_dir = str(self.folder / "submit scripts")  # a blank, as users have
        Path(provider.script_dir).mkdir(exist_ok=True)
        provider.retry_pause_s = 0.1
        return provider

    def submit(self, command: str) -> str:
        return self.provider.submit(command, 1, "parsl.tiles.block-0")

    def status(self, key: str) -> JobStatus:
        return self.provider.status([key])[0]

    def wait_for(self, key: str, state: JobState) -> JobStatus:
        self.cluster.wait_for(lambda: self.status(key).state is state)
        return self.status(key)

    def over(self, key: str) -> None:
        """Wait until the batch system has ended the job, without asking it as a provider would."""
        self.cluster.wait_for_state(key, "done")
