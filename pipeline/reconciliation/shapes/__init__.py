"""What Neuroglancer draws of segments in three dimensions: surfaces, and lines along their middle.

The volume is cut into cells, each of which is looked at by a task of its own. What it finds of a segment is a
piece. Pieces of a segment meet where cells do, and are put together when they are stored, by the task that
writes the file (shard) which holds all about this segment.
"""
