"""What settings_test.py changes: of each setting of a run file another valid value, with what that needs.

Three runs are changed: one that trains, on a phantom; one of files, with the network of the first; and one of
sections.
"""

from __future__ import annotations

OF_FILES = """
data:
  {folder: ., image: "em.h5:em", channel: 0, axes: czyx, labels: "em.h5:ids", mask: "em.h5:mask",
   voxel_size_nm: [10, 10, 10]}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 3, features: 8, checkpoint: network.h5}
inference:
  {box: "0:48,0:48,60:128", tile: [48, 48, 43], overlap: [18, 18, 18], move_threshold: 0.7,
   min_segment_voxels: 50, deltas: [3, 3, 3]}
reconciliation:
  {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10, meshes: true, skeletons: true}
agglomeration:
  {enabled: true, block: [48, 48, 48], max_gap: 3, attempts: 1, radius: [10, 10, 10], min_iou: 0.1,
   min_recovered: 0.1, max_deleted: 0.99}
evaluation: {skeletons: from_labels}
"""

THAT_TRAINS = """
data: {folder: ., image: phantom, labels: phantom, phantom: {shape: [48, 48, 128], seed: 3}}
network: {fov: [17, 17, 17], deltas: [4, 4, 4], depth: 3, features: 8}
training:
  {box: "0:48,0:48,0:56", ranks: 1, fovs: 2400, learning_rate: 0.005, fov_moves: fixed,
   sampling: {radius: [8, 8, 8], min_segment_voxels: 500, coordinates: 200}}
inference: {box: "0:48,0:48,64:128", tile: [48, 48, 48], overlap: [18, 18, 18], min_segment_voxels: 50}
reconciliation: {chunk: [16, 16, 16], block: [32, 32, 32], min_overlap_voxels: 10}
"""

OF_SECTIONS = """
data: {image: sections, folder: .}
sections:
  tiles: {table: tiles.csv, voxel_size_nm: [10, 10, 10]}
  alignment: {reach: 2, group: 8, group_overlap: 3}
  volume: {chunk: [6, 64, 64], block: [6, 64, 64]}
network: {fov: [9, 17, 17], deltas: [1, 4, 4], depth: 3, features: 8, checkpoint: network.h5}
inference: {box: "0:12,16:80,60:150", tile: [12, 64, 48], overlap: [0, 18, 18], min_segment_voxels: 50}
reconciliation: {chunk: [12, 16, 16], block: [12, 32, 32], min_overlap_voxels: 10}
"""


FILES: dict[str, list[str]] = {
    "data.image": ["data.image=other.h5:em"],
    "data.channel": ["data.channel=1"],
    "data.origin": ["data.origin=[0, 0, 2]"],
    "data.labels": ["data.labels=other.h5:ids"],
    "data.labels_box": ["data.labels_box=0:48,0:48,2:130"],
    "data.labelled_sections": ["data.labelled_sections=0:48:4"],
    "data.ignore_labels": ["data.ignore_labels=[3]"],
    "data.voxel_size_nm": ["data.voxel_size_nm=[20, 10, 10]"],
    "data.image_mean": ["data.image_mean=120", "data.image_stddev=40"],
    "data.mask": ["data.mask=other.h5:mask"],
    "data.max_missing": ["data.max_missing=0.5"],
    "data.tissue_range": ["data.tissue_range=[100, 255]"],
    "data.replace_sections": ["data.replace_sections={20: 10}"],
    "network.checkpoint": ["network.checkpoint=other_network.h5"],
    "inference.box": ["inference.box=0:48,0:48,61:128"],
    "inference.tile": ["inference.tile=[48, 48, 40]"],
    "inference.overlap": ["inference.overlap=[18, 18, 20]"],
    "inference.preset": ["inference.preset=fast", "inference.deltas=null"],
    "inference.deltas": ["inference.deltas=[4, 4, 4]"],
    "inference.seed_order": ["inference.seed_order=reverse"],
    "inference.passes": ["inference.passes=[{}, {seed_order: reverse}]"],
    "inference.reflect": ["inference.reflect=false"],
    "inference.move_threshold": ["inference.move_threshold=0.8"],
    "inference.segment_threshold": ["inference.segment_threshold=0.7"],
    "inference.pad_probability": ["inference.pad_probability=0.1"],
    "inference.seed_probability": ["inference.seed_probability=0.9"],
    "inference.min_segment_voxels": ["inference.min_segment_voxels=200"],
    "inference.min_boundary_dist": ["inference.min_boundary_dist=[2, 2, 2]"],
    "inference.engine": ["inference.engine=openvino"],
    "inference.precision": ["inference.precision=float32"],
    "inference.batch": ["inference.batch=2"],
    "inference.checkpoint_every_s": ["inference.checkpoint_every_s=1"],
    "reconciliation.min_overlap_voxels": ["reconciliation.min_overlap_voxels=400"],
    "reconciliation.min_overlap_fraction": ["reconciliation.min_overlap_fraction=0.9"],
    "reconciliation.min_larger_fraction": ["reconciliation.min_larger_fraction=0.8"],
    "reconciliation.keep_apart": ["reconciliation.keep_apart=always"],
    "reconciliation.corrections": ["reconciliation.corrections=corrections.csv"],
    "reconciliation.chunk": ["reconciliation.chunk=[8, 16, 16]"],
    "reconciliation.block": ["reconciliation.block=[16, 32, 32]"],
    "reconciliation.sharded": ["reconciliation.sharded=false"],
    "reconciliation.mips": ["reconciliation.mips=1"],
    "reconciliation.meshes": ["reconciliation.meshes=false"],
    "reconciliation.skeletons": ["reconciliation.skeletons=false"],
    "agglomeration.enabled": ["agglomeration.enabled=false"],
    "agglomeration.block": ["agglomeration.block=[48, 48, 32]"],
    "agglomeration.max_gap": ["agglomeration.max_gap=6"],
    "agglomeration.radius": ["agglomeration.radius=[12, 12, 12]"],
    "agglomeration.attempts": ["agglomeration.attempts=3"],
    "agglomeration.min_iou": ["agglomeration.min_iou=0.5"],
    "agglomeration.min_recovered": ["agglomeration.min_recovered=0.5"],
    "agglomeration.max_deleted": ["agglomeration.max_deleted=0.01"],
    "evaluation.box": ["evaluation.box=0:48,0:48,70:128"],
    "evaluation.exclude": ["evaluation.exclude=0:48,0:48,70:90"],
    "evaluation.within_mask": ["evaluation.within_mask=true"],
    "evaluation.ignore_border_nm": ["evaluation.ignore_border_nm=20"],
    "evaluation.skeletons": ["evaluation.skeletons=null"],
    "evaluation.merge_threshold": ["evaluation.merge_threshold=5"],
    "gates": ["gates=[merge]"],
}

SECTIONS: dict[str, list[str]] = {
    "sections.tiles.table": ["sections.tiles.table=moved.csv"],
    "sections.tiles.units": ["sections.tiles.units=nm", "sections.tiles.table=nm.csv"],
    "sections.tiles.voxel_size_nm": ["sections.tiles.voxel_size_nm=[20, 10, 10]"],
    "sections.corrections": ["sections.corrections=excluded.csv"],
    "sections.montage.max_shift": ["sections.montage.max_shift=6"],
    "sections.montage.min_overlap": ["sections.montage.min_overlap=16"],
    "sections.montage.min_quality": ["sections.montage.min_quality=0.9"],
    "sections.montage.max_residual": ["sections.montage.max_residual=0.1"],
    "sections.alignment.reach": ["sections.alignment.reach=1"],
    "sections.alignment.overview": ["sections.alignment.overview=100"],
    "sections.alignment.min_inliers": ["sections.alignment.min_inliers=60"],
    "sections.alignment.grid": ["sections.alignment.grid=24"],
    "sections.alignment.patch": ["sections.alignment.patch=40"],
    "sections.alignment.search": ["sections.alignment.search=10"],
    "sections.alignment.min_quality": ["sections.alignment.min_quality=0.7"],
    "sections.alignment.max_deviation": ["sections.alignment.max_deviation=0.5"],
    "sections.alignment.stiffness": ["sections.alignment.stiffness=1"],
    "sections.alignment.hold": ["sections.alignment.hold=0.1"],
    "sections.alignment.drift_length": ["sections.alignment.drift_length=0"],
    "sections.alignment.group": ["sections.alignment.group=7"],
    "sections.alignment.group_overlap": ["sections.alignment.group_overlap=2"],
    "sections.volume.margin": ["sections.volume.margin=20"],
    "sections.volume.chunk": ["sections.volume.chunk=[6, 32, 64]"],
    "sections.volume.block": ["sections.volume.block=[6, 128, 64]"],
    "data.replace_sections": ["data.replace_sections={5: 4}"],
}

TRAINING: dict[str, list[str]] = {
    "seed": ["seed=2"],
    "data.phantom.shape": ["data.phantom.shape=[48, 48, 130]"],
    "data.phantom.seed": ["data.phantom.seed=4"],
    "data.phantom.spacing": ["data.phantom.spacing=20"],
    "data.phantom.voxel_size_nm": ["data.phantom.voxel_size_nm=[20, 10, 10]"],
    "network.fov": ["network.fov=[15, 17, 17]"],
    "network.deltas": ["network.deltas=[3, 4, 4]"],
    "network.depth": ["network.depth=2"],
    "network.features": ["network.features=6"],
    "network.normalisation": ["network.normalisation=layer"],
    "training.box": ["training.box=0:48,0:48,0:58"],
    "training.batch_size": ["training.batch_size=5"],
    "training.local_steps": ["training.local_steps=2"],
    "training.shares": ["training.shares=measured"],
    "training.fovs": ["training.fovs=3000"],
    "training.start_from": ["training.start_from=network.h5"],
    "training.optimizer": ["training.optimizer=adamw"],
    "training.momentum": ["training.optimizer=sgd", "training.momentum=0.9"],
    "training.weight_decay": ["training.optimizer=adamw", "training.weight_decay=0.1"],
    "training.clip_value": ["training.clip_value=0.5"],
    "training.clip_norm": ["training.clip_norm=1"],
    "training.ema": ["training.ema=0.99"],
    "training.learning_rate": ["training.learning_rate=0.004"],
    "training.rate_scaling": ["training.rate_scaling=linear"],
    "training.schedule": ["training.schedule=cosine"],
    "training.cycle_fovs": ["training.schedule=cyclic", "training.cycle_fovs=500"],
    "training.warmup_fovs": ["training.warmup_fovs=100"],
    "training.decay_fovs": ["training.decay_fovs=100"],
    "training.fov_moves": ["training.fov_moves=neighbours"],
    "training.moves_reach": ["training.fov_moves=max_pred_moves", "training.moves_reach=1"],
    "training.seed_probability": ["training.seed_probability=0.94"],
    "training.pad_probability": ["training.pad_probability=0.06"],
    "training.move_threshold": ["training.move_threshold=0.85"],
    "training.examples_in_turn": ["training.examples_in_turn=4"],
    "training.epochs": ["training.epochs=true"],
    "training.soft_label": ["training.soft_label=0.9"],
    "training.precision": ["training.precision=mixed_bfloat16"],
    "training.sampling.radius": ["training.sampling.radius=[6, 8, 8]"],
    "training.sampling.thresholds": ["training.sampling.thresholds=[0.5]"],
    "training.sampling.min_segment_voxels": ["training.sampling.min_segment_voxels=900"],
    "training.sampling.boundary_distance": ["training.sampling.boundary_distance=1"],
    "training.sampling.coordinates": ["training.sampling.coordinates=300"],
    "training.augmentation.contrast": ["training.augmentation.contrast=0.1"],
    "training.augmentation.brightness": ["training.augmentation.brightness=0.1"],
    "training.augmentation.missing": ["training.augmentation.missing=0.1"],
    "training.augmentation.shifted": ["training.augmentation.shifted=0.1"],
    "training.augmentation.max_shift": [
        "training.augmentation.max_shift=3",
        "training.augmentation.shifted=0.1",
    ],
    "training.augmentation.blurred": ["training.augmentation.blurred=0.1"],
    "training.augmentation.max_blur": [
        "training.augmentation.max_blur=1",
        "training.augmentation.blurred=0.1",
    ],
    "training.augmentation.elastic": ["training.augmentation.elastic=1"],
    "training.augmentation.turn_z": ["training.augmentation.turn_z=false"],
    "data.loss_mask": ["data.loss_mask=mask.h5:mask"],
}

STARTED_ALIKE = {
    "training.ranks": ["training.ranks=2"],
    "training.cache_gib": ["training.cache_gib=1"],
    "training.threads_per_rank": ["training.threads_per_rank=2"],
    "training.engine": ["training.engine=keras"],
    "training.checkpoint_every_steps": ["training.checkpoint_every_steps=20"],
    "training.checkpoint_every_s": ["training.checkpoint_every_s=10"],
    "training.report_every_steps": ["training.report_every_steps=10"],
    "training.pictures": ["training.pictures=true"],
}
"""Settings for which a network that is trained is not trained again."""

LEFT_OUT = {
    "site": "where tasks run, and not what they make",
    "data.folder": "the same files elsewhere are the same",
    "data.mip": "all boxes are others then",
    "data.axes": "all boxes are others then",
    "data.labels_mip": "labels here have one level",
    "data.labels_channel": "labels here have one channel",
    "data.labels_axes": "all boxes are others then",
    "data.output": "it needs a bucket",
    "training.weight": "it is drawn by where there are training.volumes",
    "training.volumes": "they are part of what is sampled and trained as the run's own volume is",
    "training.choose_by": "it makes other tasks",
    "training.validation_box": "it makes other tasks",
    "training.validate_every_fovs": "it makes other tasks",
}
"""Settings, and sections of them, that are not tried, and why."""

KEPT = {
    ("sample_coordinates", "training.fov_moves"): "how far the FOV goes is part of the recipe",
    ("sample_coordinates", "training.moves_reach"): "how far the FOV goes is part of the recipe",
    ("segment_tile", "data.voxel_size_nm"): "an image is opened with it",
    ("segment_tile", "data.max_missing"): "it refuses, or does not",
    ("segment_tile", "inference.precision"): "auto is pinned as what it came to",
    ("resegment", "inference.precision"): "auto is pinned as what it came to",
    ("segment_tile", "inference.checkpoint_every_s"): "the result is the same whatever it is",
    ("resegment", "inference.checkpoint_every_s"): "the result is the same whatever it is",
    ("make_skeletons", "data.image"): "the size of its voxels is part of the recipe",
    ("make_skeletons", "data.channel"): "the size of the image's voxels is part of the recipe",
    ("make_skeletons", "data.replace_sections"): "the size of the image's voxels is part of the recipe",
    ("create_volume", "data.replace_sections"): "the size of the image's voxels is part of the recipe",
    ("list_conflicts", "data.replace_sections"): "the size of the image's voxels is part of the recipe",
}
"""Apps whose results stay though they read a setting that has changed, and why."""
