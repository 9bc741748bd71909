"""OpenVINO: the default on a CPU."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engines.errors import BackendError, one_line
from engines.model import Model
from engines.session import Options
from engines.tensors import Array, TensorSpec

log = logging.getLogger(__name__)

NAME = "openvino"
INSTALL = "pip install openvino"
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}
_CAPABILITIES = {"fp16": "FP16", "bf16": "BF16"}


def unavailable() -> str | None:
    """Why it cannot be used here, None if it can."""
    return None if importlib.util.find_spec("openvino") else f"OpenVINO is not installed: {INSTALL}"


def open_session(model: Model, options: Options) -> OpenVinoSession:
    """Read the network. Raises EngineError."""
    if options.device == "cuda":
        raise BackendError("OpenVINO does not run on NVIDIA GPUs: use tensorrt, torch or the CPU")
    return OpenVinoSession(model, options)


@lru_cache(maxsize=1)
def _core() -> Any:
    return _library().Core()


def _library() -> Any:
    """The module. Its import reports itself to its makers, from a forked process; without that package it cannot."""
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def half_precisions() -> list[str]:
    """Half precisions that this CPU computes in; not those it only stores."""
    have = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name, capability in _CAPABILITIES.items() if capability in have]


@dataclass
class _Compiled:
    """One bucket."""

    requests: tuple[Any, ...]
    """Run at once."""
    feeds: dict[str, Array]
    results: dict[str, Array]


class OpenVinoSession:
    """A network on the CPU, one static shape per bucket: the plug-in plans memory and kernels better for those.

    Compiling takes about half a second per bucket; keeping the result on disk would save half of that.
    """

    backend = NAME
    pads = False

    def __init__(self, model: Model, options: Options) -> None:
        self._core = _core()
        self.precision = self._choose(options.precision)
        self.device = str(self._core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self._threads = options.threads or len(os.sched_getaffinity(0))
        self._apart = max(options.buckets) if options.apart else 1
        self._single: Any = None
        """Compiled for one row, to be run so many times at once."""
        path = model.graph("fp32")
        try:
            # Half precision is a hint to the plug-in, so the fp32 graph serves all.
            self._network = self._core.read_model(str(path))
        except Exception as error:
            raise BackendError(f"OpenVINO cannot read {path.name}: {one_line(error)}") from error
        self.inputs = tuple(_spec(port) for port in self._network.inputs)
        self.outputs = tuple(_spec(port) for port in self._network.outputs)
        self._compiled: dict[int, _Compiled] = {}

    @staticmethod
    def _choose(wanted: str) -> str:
        half = half_precisions()
        if wanted == "auto":
            return "bf16" if "bf16" in half else "fp32"
        if wanted != "fp32" and wanted not in half:
            raise BackendError(f"this CPU does not compute in {wanted}: use fp32")
        return wanted

    def prepare(self, bucket: int) -> None:
        if bucket in self._compiled:
            return
        try:
            requests = self._requests(bucket)
            feeds = {spec.name: spec.empty(bucket) for spec in self.inputs}
            results = {spec.name: spec.empty(bucket) for spec in self.outputs}
            tensor, rows = _library().Tensor, bucket // len(requests)
            for place, request in enumerate(requests):
                for name, array in (feeds | results).items():
                    part = array[place * rows : (place + 1) * rows]
                    request.set_tensor(name, tensor(part, shared_memory=True))
        except Exception as error:
            raise BackendError(f"OpenVINO cannot compile for batch {bucket}: {one_line(error)}") from error
        self._compiled[bucket] = _Compiled(requests, feeds, results)

    def _requests(self, bucket: int) -> tuple[Any, ...]:
        if self._apart == 1:
            return (self._compile(bucket, 1).create_infer_request(),)
        if self._single is None:
            self._single = self._compile(1, self._apart)
        return tuple(self._single.create_infer_request() for _ in range(bucket))

    def _compile(self, rows: int, at_once: int) -> Any:
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": at_once,
            "INFERENCE_NUM_THREADS": self._threads * at_once,
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
        }
        network = self._network.clone()
        network.reshape({spec.name: [rows, *spec.shape] for spec in self.inputs})
        return self._core.compile_model(network, "CPU", config)

    def feeds(self, bucket: int) -> dict[str, Array]:
        return self._compiled[bucket].feeds

    def run(self, bucket: int) -> dict[str, Array]:
        compiled = self._compiled[bucket]
        try:
            for request in compiled.requests[1:]:
                request.start_async()
            compiled.requests[0].infer()
            for request in compiled.requests[1:]:
                request.wait()
        except Exception as error:
            raise BackendError(f"OpenVINO failed: {one_line(error)}") from error
        return compiled.results

    def close(self) -> None:
        self._compiled.clear()
        self._single = None


def _spec(port: Any) -> TensorSpec:
    shape = port.get_partial_shape()
    sides = [int(side.get_length()) if side.is_static else -1 for side in shape]
    return TensorSpec(port.get_any_name(), tuple(sides[1:]))
