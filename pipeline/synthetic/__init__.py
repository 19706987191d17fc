"""An EM phantom with exact ground truth: the embedded default input, of any size."""

from pipeline.synthetic.make_phantom import make_phantom, phantom_target
from pipeline.synthetic.phantom import Phantom

__all__ = ["Phantom", "make_phantom", "phantom_target"]
