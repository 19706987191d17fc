"""What `ffn export` writes: which volume is meant, what is told of its segments, and their shapes."""

OBJ, SWC = ".obj", ".swc"
SHAPES = (OBJ, SWC)
"""Endings of what holds no voxels, but surfaces or skeletons of segments."""
