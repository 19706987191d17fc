"""How far thresholding and connected components get on the phantom: the score a network must beat.

The image is smoothed with a Gaussian and thresholded; the bright connected components of at least
`--min-voxels` are the segments, and every other voxel takes the nearest segment (convention
`filled`). The best of all smoothings and thresholds, chosen with the truth in hand, is printed as
JSON on the last line. Under a minute on one core.

    python benchmarks/phantom_baseline.py --shape 128 128 128 --seed 7
    python benchmarks/phantom_baseline.py --config configs/demo.yaml
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.evaluation import count_box, score
from pipeline.geometry import triple
from pipeline.settings.run_file import load_config
from pipeline.synthetic import Phantom

SIGMAS = (0.7, 1.2, 1.8)
THRESHOLDS = range(110, 165, 6)


def best_baseline(image: NDArray[np.uint8], labels: NDArray[np.uint32], min_voxels: int) -> dict[str, float]:
    """The scores, as evaluated with `filled`, of the smoothing and threshold of lowest ARE."""
    found = []
    for sigma in SIGMAS:
        smoothed = gaussian_filter(image.astype(np.float32), sigma)
        for threshold in THRESHOLDS:
            components = cc3d.connected_components(smoothed > threshold, connectivity=6)
            segments = cc3d.dust(components, threshold=min_voxels)
            scores = score(count_box(segments, labels))["filled"]
            found.append({"sigma": sigma, "threshold": threshold, **scores})
            print(", ".join(f"{name} {value:.3f}" for name, value in found[-1].items()), flush=True)
    return min(found, key=lambda scores: scores["are"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 128, 128), metavar=("Z", "Y", "X"))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--config", type=Path, help="take the phantom and the scored box from a run file")
    parser.add_argument("--min-voxels", type=int, default=1000)
    options = parser.parse_args()
    if options.config:
        config = load_config(options.config)
        described = config.data.phantom
        phantom = Phantom(described.shape, described.seed, described.spacing)
        box = config.evaluation.box or config.inference.box or phantom.box
    else:
        phantom = Phantom(triple(options.shape), options.seed)
        box = phantom.box
    print(json.dumps(best_baseline(phantom.image(box), phantom.labels(box), options.min_voxels)))


if __name__ == "__main__":
    main()
