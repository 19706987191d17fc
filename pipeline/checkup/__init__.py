"""Checks of a machine before a run: what its file systems, its cores and the run's inputs are good for."""

from pipeline.checkup.finding import Check, Finding, examine, fail, failed, ok, skip, warn

__all__ = ["Check", "Finding", "examine", "fail", "failed", "ok", "skip", "warn"]
