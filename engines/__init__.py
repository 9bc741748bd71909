"""Exporting, compiling, caching and running networks, and the zoo of shipped weights."""

from engines.engine import Engine
from engines.errors import BackendError, EngineError, ModelError
from engines.model import Model, from_onnx
from engines.opening import available, open_engine
from engines.session import BUCKETS, Options
from engines.tensors import TensorSpec

__all__ = [
    "BUCKETS",
    "BackendError",
    "Engine",
    "EngineError",
    "Model",
    "ModelError",
    "Options",
    "TensorSpec",
    "available",
    "from_onnx",
    "open_engine",
]
