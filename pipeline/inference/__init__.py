"""Flood-filling inference: one call of `segmenter.segment_tile` segments one tile."""
