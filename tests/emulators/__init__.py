"""Batch systems that are not there, for tests: Cobalt and PBS Pro on this machine."""
