"""The smallest run that goes through all stages, for tests of where a run can be."""

from __future__ import annotations

RUN_FILE = """
data:
  image: phantom
  labels: phantom
  phantom: {shape: [48, 48, 112], seed: 3}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 2, features: 8}
training:
  box: "0:48,0:48,0:56"
  ranks: 1
  fovs: 40
  sampling: {radius: [8, 8, 8], min_segment_voxels: 500, coordinates: 50}
inference: {box: "0:48,0:48,64:112", tile: [48, 48, 48], overlap: [18, 18, 18], min_segment_voxels: 50}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10}
site: {workers: 1}
"""
