"""The network on CPUs, forward and backward, by Winograd's minimal filtering."""
