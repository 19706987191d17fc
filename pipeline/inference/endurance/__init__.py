"""What carries a long tile through kills and full memory, and shows how far it is; it decides no voxel."""
