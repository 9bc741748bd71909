"""PyTorch: the reference, and research on a GPU. Only loaded when it is asked for by name."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from engines.errors import BackendError, one_line
from engines.model import Model
from engines.session import Options
from engines.tensors import Array

NAME = "torch"
INSTALL = "pip install torch safetensors"


def unavailable() -> str | None:
    """Why it cannot be used here, None if it can."""
    for name, package in (("torch", "PyTorch"), ("safetensors", "safetensors")):
        if not importlib.util.find_spec(name):
            return f"{package} is not installed: {INSTALL}"
    return None


def open_session(model: Model, options: Options) -> TorchSession:
    """Load the network. Raises EngineError."""
    return TorchSession(model, options)


class TorchSession:
    """A network in PyTorch: eager, compiled by Inductor, or captured in one CUDA graph per bucket."""

    backend = NAME

    def __init__(self, model: Model, options: Options) -> None:
        try:
            import torch
        except Exception as error:
            raise BackendError(f"PyTorch does not load ({one_line(error)}): {INSTALL}") from error
        if model.definition is None:
            raise BackendError(f"{model.name} has no PyTorch definition, only a graph: use another backend")
        if options.device == "cuda" and not torch.cuda.is_available():
            raise BackendError("PyTorch sees no CUDA device")
        cuda = torch.cuda.is_available() and options.device != "cpu"
        if options.mode == "graph" and not cuda:
            raise BackendError("CUDA graphs need a CUDA device, and PyTorch sees none")
        self._torch: Any = torch
        self._place = torch.device("cuda" if cuda else "cpu")
        self.pads = cuda
        self.device = torch.cuda.get_device_name(0) if cuda else "CPU"
        self.precision = "fp32" if options.precision == "auto" else options.precision
        self._type = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        if options.threads and not cuda:
            torch.set_num_threads(options.threads)
        self._mode = options.mode
        definition = model.definition()
        self.inputs, self.outputs = definition.inputs, definition.outputs
        module = definition.module.eval().to(self._place, self._type)
        # Dynamic shapes would compile slower code; every bucket is compiled for itself.
        self._call = torch.compile(module, dynamic=False) if options.mode == "compiled" else module
        self._feeds: dict[int, dict[str, Array]] = {}
        self._pinned: dict[int, list[Any]] = {}
        self._graphs: dict[int, tuple[Any, list[Any], tuple[Any, ...]]] = {}

    def prepare(self, bucket: int) -> None:
        if bucket in self._feeds:
            return
        torch = self._torch
        pinned = [torch.zeros((bucket, *spec.shape), pin_memory=self.pads) for spec in self.inputs]
        self._pinned[bucket] = pinned
        if self._mode == "graph":
            try:
                self._capture(bucket)
            except Exception as error:
                raise BackendError(
                    f"PyTorch cannot capture a CUDA graph for batch {bucket}: {one_line(error)}"
                ) from error
        self._feeds[bucket] = {spec.name: tensor.numpy() for spec, tensor in zip(self.inputs, pinned, strict=True)}

    def _capture(self, bucket: int) -> None:
        torch = self._torch
        still = [torch.zeros((bucket, *spec.shape), device=self._place, dtype=self._type) for spec in self.inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), torch.cuda.stream(side):
            for _ in range(3):  # cuDNN chooses its kernels before they are recorded
                self._call(*still)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(graph):
            made = _as_tuple(self._call(*still))
        self._graphs[bucket] = graph, still, made

    def feeds(self, bucket: int) -> dict[str, Array]:
        return self._feeds[bucket]

    def run(self, bucket: int) -> dict[str, Array]:
        torch = self._torch
        try:
            with torch.inference_mode():
                given = self._pinned[bucket]
                if bucket in self._graphs:
                    graph, still, made = self._graphs[bucket]
                    for target, source in zip(still, given, strict=True):
                        target.copy_(source, non_blocking=True)
                    graph.replay()
                else:
                    moved = [tensor.to(self._place, self._type, non_blocking=True) for tensor in given]
                    made = self.run_on_device(*moved)
                arrays = [tensor.float().cpu().numpy() for tensor in made]
        except Exception as error:
            raise BackendError(f"PyTorch failed: {one_line(error)}") from error
        return {spec.name: np.asarray(array) for spec, array in zip(self.outputs, arrays, strict=True)}

    def run_on_device(self, *inputs: Any) -> tuple[Any, ...]:
        """Outputs as tensors, for inputs as tensors of this device and precision; nothing is copied."""
        with self._torch.inference_mode():
            return _as_tuple(self._call(*inputs))

    def close(self) -> None:
        self._feeds.clear()
        self._pinned.clear()
        self._graphs.clear()
        self._call = None


def _as_tuple(made: Any) -> tuple[Any, ...]:
    return tuple(made) if isinstance(made, tuple | list) else (made,)
