"""Take of several segmentations of a tile what they agree on: no piece joins what one of them keeps apart."""

from pipeline.consensus.split import split_consensus
from pipeline.consensus.stage import consensus_target, find_consensus

__all__ = ["consensus_target", "find_consensus", "split_consensus"]
