"""Checks of a site before a run: its scheduler, the environment of its jobs, the way to its nodes."""
