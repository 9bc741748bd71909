"""Exporting, compiling, caching and running networks, and the zoo of shipped weights.

What trains, exports or measures networks has a module of its own beside these: `engines.export`, `engines.measure`.
"""

from engines.backends import BACKENDS
from engines.differences import made_up_batch, relative_difference
from engines.engine import Engine
from engines.errors import BackendError, EngineError, ModelError, NotInstalledError
from engines.model import Model, from_onnx
from engines.opening import available, open_engine
from engines.session import BUCKETS, Options
from engines.tensors import TensorSpec
from engines.zoo import Entry, Zoo, open_zoo

__all__ = [
    "BACKENDS",
    "BUCKETS",
    "BackendError",
    "Engine",
    "EngineError",
    "Entry",
    "Model",
    "ModelError",
    "NotInstalledError",
    "Options",
    "TensorSpec",
    "Zoo",
    "available",
    "from_onnx",
    "made_up_batch",
    "open_engine",
    "open_zoo",
    "relative_difference",
]
