"""The Python environment of a run's jobs, as they will see it: asked once, judged in several ways."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from functools import cached_property

import site_configs
from pipeline.checkup import Finding, fail, ok, skip, warn
from pipeline.errors import InputError
from pipeline.inference.engines import GPU_ENGINES
from pipeline.machine import gpus
from pipeline.machine.own import module_command
from pipeline.machine.sockets import require_host_name
from pipeline.machine.user import user_name
from pipeline.run_folder import Run
from pipeline.training.ranks.environment import Environment
from site_configs.allocation import allocation
from site_configs.cluster import python_of, worker_init
from site_configs.described import machine
from site_configs.providers.scheduler import Answer, SilenceError, answer_of

MODULES = (
    "parsl",
    "h5py",
    "cloudvolume",
    "site_configs.worker_pool",
    "apps.train",
    "apps.infer",
    "apps.reconcile",
)
"""What the workers of a run import, beside what trains and what the engine of inference takes."""

LIMIT_S = 180.0
"""How long the imports may take: TensorFlow is slow on a busy file system."""

LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"

REBUILD = "build it as the README says, with HOROVOD_WITH_GLOO=1, in this environment"
FEWER = "install the driver, or set site.gpus_per_node to what is there, 0 for CPUs"
CPU_ENGINES = ("winograd", "openvino")
TRAINING_TAKES = (
    "make install TENSORFLOW=cpu or cuda, or set network.checkpoint to a network that is trained already"
)
BACKEND = "name a backend that is installed: export KERAS_BACKEND=torch, or jax, in site.worker_init"
NO_ENVIRONMENT = "the Python environment does not work"


@dataclass(frozen=True)
class JobEnvironment:
    """The environment of a run's jobs on its site."""

    run: Run
    limit_s: float = LIMIT_S

    def imports(self) -> Finding:
        """Whether a job can import what it needs, and in which versions."""
        try:
            found = self._environment
        except InputError as error:
            mend = (
                "mend site.worker_init; jobs need not have the settings of your login"
                if self._has_jobs
                else "install it as the README says"
            )
            return fail(str(error), mend)
        lacks, engine = found.lacks, self.run.config.inference.engine
        if "tensorflow" in lacks and self.run.config.trains:
            return fail(f"the run trains, without TensorFlow: {lacks['tensorflow']}", TRAINING_TAKES)
        if "keras" in lacks and engine == "keras":
            return fail(f"inference.engine is keras, which is not to be had: {lacks['keras']}", BACKEND)
        versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
        return ok(f"Python {found.python}, {versions}")

    def horovod(self) -> Finding:
        """Whether ranks can train together. Raises InputError where this machine does not know its name."""
        if not self.run.config.trains:
            return skip("the run does not train")
        found = self._working
        if found is None:
            return skip(NO_ENVIRONMENT)
        if found.horovod_error:
            return fail(found.horovod_error, REBUILD)
        if not self._has_jobs:
            require_host_name()
        built = f"built with TensorFlow, {', '.join(found.horovod) or 'and nothing else'}"
        if found.gpus_by and "nccl" not in found.horovod:
            built += "; without NCCL, so gradients of GPUs go through the memory of their hosts"
        return ok(built) if "gloo" in found.horovod else fail(f"{built}; not with Gloo", REBUILD)

    def gpus(self) -> Finding:
        """Whether what uses the GPUs of the run is installed and, on this machine, whether they are there."""
        site, found = self.run.config.site, self._working
        if site.gpus_per_node == 0:
            return skip("site.gpus_per_node is 0: CPUs are asked for")
        if found is None:
            return skip(NO_ENVIRONMENT)
        promised = site_configs.gpus_per_node(self.run) if self._has_jobs else site.gpus_per_node or 0
        here = None if self._has_jobs else gpus.usable()
        if not self._has_jobs and here is None and not promised:
            return skip(_without_driver(found))
        if not self._has_jobs and (here.number if here else 0) < promised:
            return fail(f"site.gpus_per_node is {promised}; drivers here show {here or 'none'}", FEWER)
        if not promised and here is None:
            return skip("this site's nodes have none, as far as it is known")
        wanting = self._wanting(found)
        there = f"{here}" if here else f"{promised} a node"
        if not wanting:
            return ok("; ".join([there, *self._users(found)]))
        judged = fail if promised else warn
        return judged(f"{there}, but {'; '.join(what for what, _ in wanting)}", wanting[0][1])

    def _users(self, found: Environment) -> list[str]:
        """What computes for the run, on the GPUs or, where it has nothing for them, on CPUs."""
        config = self.run.config
        asked = config.inference.engine
        engine = next(iter(found.infers_by), "a CPU's engine") if asked == "auto" else asked
        users = [f"inference by {engine}"]
        if config.trains and found.gpus_by and not config.site.train_on_cpus:
            users.append(f"training by TensorFlow built with {', '.join(found.gpus_by)}")
        elif config.trains:
            users.append("training on CPUs")
        return users

    def _wanting(self, found: Environment) -> list[tuple[str, str]]:
        """What is not installed for GPUs though the run would use it there, and how it is mended."""
        site, asked, wanting = self.run.config.site, self.run.config.inference.engine, []
        engines = {*GPU_ENGINES} if asked == "auto" else {str(asked)}
        if self.run.config.trains and not site.train_on_cpus and not found.gpus_by:
            lacks = "TensorFlow is built without CUDA and ROCm, and ranks would find none"
            wanting.append(
                (lacks, "make install TENSORFLOW=cuda, or site.train_on_cpus=true (docs/sites.md)")
            )
        if asked not in CPU_ENGINES and not {*found.infers_by} & engines:
            lacks = "nothing that runs networks on them is installed"
            wanting.append(
                (lacks, "install PyTorch (docs/gpu.md), or set inference.engine=winograd or openvino")
            )
        return wanting

    @property
    def _has_jobs(self) -> bool:
        return bool(site_configs.commands(self.run))

    @property
    def _working(self) -> Environment | None:
        try:
            return self._environment
        except InputError:
            return None

    @cached_property
    def _environment(self) -> Environment:
        """Raises InputError with the last words of what failed."""
        answered = self._answer
        lines = [line for line in answered.stdout.splitlines() if line.strip()]
        try:
            if answered.returncode == 0 and lines:
                return Environment.parse(lines[-1])
        except (ValueError, TypeError):
            pass  # something else printed its last line
        said = [line.strip() for line in answered.stderr.splitlines() if line.strip()] or lines
        raise InputError(f"exit code {answered.returncode}: {said[-1] if said else 'without a word'}")

    @cached_property
    def _answer(self) -> Answer:
        try:
            return answer_of(self._command(), self.limit_s)
        except SilenceError:
            return Answer(1, "", f"the imports were not done in {self.limit_s:g} s")

    def _command(self) -> list[str]:
        """The probe, run by the interpreter that jobs use.

        Not all batch systems hand the environment of the login on: a job's starts clean, after a login. What
        is started in a job that is held has the environment of this process.
        """
        module, site = "pipeline.training.ranks.environment", self.run.config.site
        if not self._has_jobs:
            return module_command(module, *MODULES)
        probe = module_command(module, *MODULES, python=python_of(site))
        user = user_name()
        clean = {"HOME": os.path.expanduser("~"), "USER": user, "LOGNAME": user, "PATH": LOGIN_PATH}
        script = f"{worker_init(self.run, machine(site.name))}\nexec {shlex.join(probe)}"
        if allocation(site, machine(site.name).scheduler):
            return ["bash", "-c", script]
        values = [f"{name}={value}" for name, value in clean.items()]
        # the script has another shell than the login: what that has not exported, as `module` may be, is gone
        return ["env", "-i", *values, "bash", "--login", "-c", 'exec bash -c "$0"', script]


def _without_driver(found: Environment) -> str:
    """What is installed for GPUs that are not here, if anything is."""
    if not found.gpus_by:
        return "no driver shows one here"
    return f"TensorFlow is built with {', '.join(found.gpus_by)}, but no driver shows a GPU here"
