"""ONNX Runtime: the fallback on a CPU, and the second opinion."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np

from engines.errors import BackendError, one_line
from engines.model import Model
from engines.session import Options
from engines.tensors import Array, TensorSpec

NAME = "onnxruntime"
INSTALL = "pip install onnxruntime"


def unavailable() -> str | None:
    """Why it cannot be used here, None if it can."""
    return None if importlib.util.find_spec("onnxruntime") else f"ONNX Runtime is not installed: {INSTALL}"


def open_session(model: Model, options: Options) -> OnnxRuntimeSession:
    """Read and compile the network. Raises EngineError."""
    return OnnxRuntimeSession(model, options)


class OnnxRuntimeSession:
    """A network in ONNX Runtime; one compiled form serves all batch sizes.

    Half precision takes that graph; on a CPU it is checked so, and computed mostly in float32 with casts between.
    """

    backend = NAME

    def __init__(self, model: Model, options: Options) -> None:
        try:
            import onnxruntime
        except Exception as error:  # a broken wheel raises more than ImportError
            raise BackendError(f"ONNX Runtime does not load ({one_line(error)}): {INSTALL}") from error
        self.precision = "fp32" if options.precision == "auto" else options.precision
        providers = ["CPUExecutionProvider"]
        if options.device == "cuda":
            if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
                raise BackendError("this ONNX Runtime has no CUDA: pip install onnxruntime-gpu")
            providers.insert(0, "CUDAExecutionProvider")
        self.pads = options.device == "cuda"
        self.device = "CUDA" if self.pads else "CPU"
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads or len(os.sched_getaffinity(0))
        settings.log_severity_level = 3
        path = model.graph(self.precision)
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), settings, providers=providers)
        except Exception as error:
            raise BackendError(f"ONNX Runtime cannot read {path.name}: {one_line(error)}") from error
        self.inputs = tuple(_spec(port) for port in self._session.get_inputs())
        self.outputs = tuple(_spec(port) for port in self._session.get_outputs())
        self._feeds: dict[int, dict[str, Array]] = {}

    def prepare(self, bucket: int) -> None:
        if bucket not in self._feeds:
            self._feeds[bucket] = {spec.name: spec.empty(bucket) for spec in self.inputs}

    def feeds(self, bucket: int) -> dict[str, Array]:
        return self._feeds[bucket]

    def run(self, bucket: int) -> dict[str, Array]:
        names = [spec.name for spec in self.outputs]
        try:
            made = self._session.run(names, self._feeds[bucket])
        except Exception as error:
            raise BackendError(f"ONNX Runtime failed: {one_line(error)}") from error
        return {name: np.asarray(array) for name, array in zip(names, made, strict=True)}

    def close(self) -> None:
        self._feeds.clear()
        self._session = None


def _spec(port: Any) -> TensorSpec:
    return TensorSpec(port.name, tuple(side if isinstance(side, int) else -1 for side in port.shape[1:]))
