"""One module per backend; each imports its library only when a network is opened."""

from __future__ import annotations

import importlib
from typing import Any

MODULES = {
    "tensorrt": "engines.backends.tensorrt_backend",
    "openvino": "engines.backends.openvino_backend",
    "onnxruntime": "engines.backends.onnxruntime_backend",
    "torch": "engines.backends.torch_backend",
}
BACKENDS = tuple(MODULES)

ORDER = ("tensorrt", "openvino", "onnxruntime")
"""In which they are tried. torch is not among them: nothing but its own name loads it."""


def backend(name: str) -> Any:
    """The module of a backend: `unavailable()`, `open_session(model, options)`, `INSTALL`. Raises ValueError."""
    if name not in MODULES:
        raise ValueError(f"backend must be auto, {', '.join(BACKENDS)}; got {name!r}")
    return importlib.import_module(MODULES[name])
