"""What a segmented tile is made of: its file and its recipe."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.config import Data, Inference
from pipeline.geometry import Tile
from pipeline.inference.tile_input import block_with_context
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.run_folder import Run

VERSION = 2


def tile_target(run: Run, tile: Tile, model: Artifact, image: Sequence[Artifact] = ()) -> Target:
    """The file of one segmented tile; arguments as for `segment_tile`."""
    config, block = run.config, block_with_context(run, tile)
    settings = {
        "tile": str(tile.box),
        "block": str(block),
        "network": config.network.sizes,
        "inference": run.inference.model_dump(mode="json", exclude=_without(run.inference)),
        "data": config.data.model_dump(mode="json", include=_data_settings(config.data)),
    }
    inputs = {"image": run.image_identity(block, image), "model": model.sha256}
    if "mask" in run.identities:
        inputs["mask"] = run.identities["mask"]
    stage = "infer" if run.tries is None else "infer to try"
    return Target(run.tile_file(tile), Recipe(stage, VERSION, settings, inputs))


def _without(inference: Inference) -> set[str]:
    """What a tile does not depend on, and a setting that is not used, which does not undo finished tiles."""
    unused = {"seed_order"} if inference.seed_order == "forward" else set()
    return {"box", "tile", "overlap", "preset", "checkpoint_every_s", "passes"} | unused


def _data_settings(data: Data) -> set[str]:
    """What a tile depends on of the data section; a setting that is not used does not undo finished tiles."""
    return {"image_mean", "image_stddev"} | ({"tissue_range"} if data.tissue_range else set())
