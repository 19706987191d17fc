"""Parsl providers that Parsl lacks, or has with faults that lose jobs: Cobalt and PBS Pro."""
