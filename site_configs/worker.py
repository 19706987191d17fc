"""What a worker loads in place of the script of its pool: the function by whose name that starts it."""

from __future__ import annotations

from parsl.executors.high_throughput.process_worker_pool import worker

__all__ = ["worker"]
