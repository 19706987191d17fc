"""Parsl providers that Parsl lacks, or has with faults that lose jobs: Cobalt, PBS Pro and Slurm."""
