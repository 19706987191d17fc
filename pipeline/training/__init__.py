"""Training: sample coordinates, flood patches around them, average gradients over Horovod ranks."""
