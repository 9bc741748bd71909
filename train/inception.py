"""Features of the user's own Inception network, for the Frechet inception distance (FID) of Heusel et al. 2017.

No weights are shipped: an ONNX file is given, with pictures (N, 3, 299, 299) in [-1, 1] as its one input and the 2048
features of the last pooling as its first output, N being free. It runs in whichever engine is here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional

from engines import Options, from_onnx, open_engine

SIDE = 299
_BATCH = 8


class InceptionFeatures:
    """Raises ValueError if the network's input is another one, EngineError if it cannot be run."""

    def __init__(self, path: Path) -> None:
        self._engine = open_engine(from_onnx(path), "auto", Options(buckets=(_BATCH,)))
        shapes = [tuple(port.shape) for port in self._engine.inputs]
        if shapes != [(3, SIDE, SIDE)]:
            raise ValueError(f"{path.name} takes {shapes}, an Inception network one input of (3, {SIDE}, {SIDE})")

    def __call__(self, images: Tensor) -> npt.NDArray[np.float64]:
        """(N, features) of images (N, 3, S, S) in [-1, 1], scaled up bilinearly."""
        large = functional.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False).cpu().numpy()
        name, first = self._engine.inputs[0].name, self._engine.outputs[0].name
        parts = [self._engine.run({name: large[k : k + _BATCH]})[first] for k in range(0, len(large), _BATCH)]
        return np.concatenate(parts).reshape(len(large), -1).astype(np.float64)
