"""Where flood filling starts: points far from the edges in the image."""

from __future__ import annotations

import edt
import numpy as np

from pipeline.geometry import Triple

EDGE_SIGMA = 49 / 6
MIN_DISTANCE = 3


def find_seeds(image: np.ndarray) -> list[Triple]:
    """Return the voxels that are locally farthest from any edge, in ascending z, y, x order.

    `image` is a (z, y, x) array. An edge is a voxel whose Sobel gradient magnitude exceeds its
    gaussian mean over the neighbourhood; seeds are local maxima of the distance to the edges, more than
    three voxels apart and from the faces; an image without edges has none. The same image gives the
    same seeds on every machine.
    This is the "PolicyPeaks" of Januszewski et al. 2018.
    """
    from scipy import ndimage  # here, as scikit-image: whoever plans tiles finds no seeds
    from skimage.feature import peak_local_max

    gradient = ndimage.generic_gradient_magnitude(image.astype(np.float32), ndimage.sobel)
    edges = gradient > ndimage.gaussian_filter(gradient, EDGE_SIGMA, mode="reflect")
    if not edges.any():
        return []  # a blank image: there is nothing to segment, and no distance to take
    del gradient
    # The same distances as scipy's, with a fifth of the memory (135 MiB instead of 638 for 288^3 voxels).
    distance = edt.edt(~edges, black_border=False, parallel=1)
    # Plateaus of equal distance have one maximum each once a fixed, tiny noise breaks the ties.
    noise = np.random.RandomState(42).random_sample(distance.shape)
    noise *= 1e-4
    noise += distance
    peaks = peak_local_max(noise, min_distance=MIN_DISTANCE, threshold_abs=0, threshold_rel=0)
    return sorted((int(z), int(y), int(x)) for z, y, x in peaks)
