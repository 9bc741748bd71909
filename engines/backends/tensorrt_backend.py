"""TensorRT: the default where there is an NVIDIA GPU.

Nothing in this file has run on a GPU yet; its calls are checked against the signatures of the bindings 11.4.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engines.backends.trt import library
from engines.backends.trt.build import Progress, build_plan
from engines.backends.trt.cuda import Cuda, open_cuda
from engines.cache import BlobCache
from engines.errors import BackendError, one_line
from engines.model import Model
from engines.session import Options
from engines.tensors import Array, TensorSpec

log = logging.getLogger(__name__)

NAME = "tensorrt"
INSTALL = library.INSTALL


def unavailable() -> str | None:
    """Why it cannot be used here, None if it can."""
    if not importlib.util.find_spec("tensorrt"):
        return f"TensorRT is not installed: {INSTALL}"
    try:
        library.load()
        open_cuda().close()
    except BackendError as error:
        return str(error)
    return None


def open_session(model: Model, options: Options, progress: Progress | None = None) -> TensorRtSession:
    """Load the plan for this GPU, or build it (minutes). Raises EngineError."""
    if options.device == "cpu":
        raise BackendError("TensorRT does not run on a CPU")
    return TensorRtSession(library.load(), open_cuda(), model, options, progress)


@dataclass
class _Bucket:
    """Everything of one batch size; the addresses never change, so that one CUDA graph serves all calls."""

    context: Any
    feeds: dict[str, Array]
    results: dict[str, Array]
    addresses: dict[str, int]
    launch: Callable[[], None] | None = None


class TensorRtSession:
    """A plan with one optimisation profile, one context and one CUDA graph per bucket."""

    backend = NAME
    pads = True

    def __init__(self, trt: Any, cuda: Cuda, model: Model, options: Options, progress: Progress | None = None) -> None:
        self._trt, self._cuda = trt, cuda
        self.device = cuda.device
        self.precision: str = options.precision
        if options.precision == "auto":
            # A flag makes any graph half precision on 8.6; later versions need a graph that is.
            halved = "fp16" in model.graphs or not library.typed_strongly(trt)
            self.precision = "fp16" if halved else "fp32"
        self._sizes = options.buckets
        self._logger = library.make_logger(trt)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._load(model, options, progress)
        self.inputs, self.outputs = self._ports()
        self._buckets: dict[int, _Bucket] = {}

    def _load(self, model: Model, options: Options, progress: Progress | None) -> Any:
        """The plan from the cache if it is whole and loads, else a new one."""
        typed = library.typed_strongly(self._trt)
        graph_precision = self.precision if typed else "fp32"
        machine = {"gpu": self.device, "tensorrt": self._trt.__version__}
        key = machine | {
            "onnx": model.digest(graph_precision),
            "precision": self.precision,
            "buckets": list(self._sizes),
        }
        plans = BlobCache("tensorrt", ".plan", options.cache)
        plan = plans.load(key)
        if plan is not None:
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is not None:
                return engine
            log.warning("a TensorRT plan does not load (%s): built again", self._logger.last_error or "no reason given")
            plans.drop(key)
        log.info("building a TensorRT plan of %s for %s", model.name, self.device)
        timings = BlobCache("tensorrt", ".timings", options.cache)
        graph = model.graph(graph_precision)
        timing_key = machine | {"kind": "timings"}
        plan = build_plan(self._trt, self._logger, graph, self.precision, self._sizes, timings, timing_key, progress)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BackendError(f"TensorRT cannot load what it built: {self._logger.last_error or 'no reason given'}")
        plans.store(key, plan)
        return engine

    def _ports(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            if self._engine.get_tensor_dtype(name) != self._trt.DataType.FLOAT:
                raise BackendError(f"{name} is not float32 on the outside: export the graph again")
            spec = TensorSpec(name, tuple(int(side) for side in tuple(self._engine.get_tensor_shape(name))[1:]))
            is_input = self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT
            (inputs if is_input else outputs).append(spec)
        return tuple(inputs), tuple(outputs)

    def prepare(self, bucket: int) -> None:
        if bucket in self._buckets:
            return
        try:
            ready = self._make(bucket)
            self._enqueue(ready)  # before the capture: the first call may allocate
            self._cuda.synchronize()
            ready.launch = self._cuda.capture(lambda: self._enqueue(ready))
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"TensorRT cannot prepare batch {bucket}: {one_line(error)}") from error
        self._buckets[bucket] = ready

    def _make(self, bucket: int) -> _Bucket:
        context = self._engine.create_execution_context()
        if context is None:
            raise BackendError(f"TensorRT has no memory for batch {bucket}: {self._logger.last_error}")
        if not context.set_optimization_profile_async(self._sizes.index(bucket), self._cuda.stream):
            raise BackendError(f"TensorRT has no profile for batch {bucket}: {self._logger.last_error}")
        feeds = {spec.name: self._cuda.pinned((bucket, *spec.shape)) for spec in self.inputs}
        results = {spec.name: self._cuda.pinned((bucket, *spec.shape)) for spec in self.outputs}
        addresses = {name: self._cuda.allocate(array.nbytes) for name, array in (feeds | results).items()}
        for spec in self.inputs:
            if not context.set_input_shape(spec.name, (bucket, *spec.shape)):
                raise BackendError(f"TensorRT refuses batch {bucket} of {spec.name}: {self._logger.last_error}")
        ready = _Bucket(context, feeds, results, addresses)
        self._bind(ready, addresses)
        return ready

    def _bind(self, ready: _Bucket, addresses: Mapping[str, int]) -> None:
        for name, address in addresses.items():
            if not ready.context.set_tensor_address(name, address):
                raise BackendError(f"TensorRT refuses the memory of {name}: {self._logger.last_error}")

    def _enqueue(self, ready: _Bucket) -> None:
        if not ready.context.execute_async_v3(self._cuda.stream):
            raise BackendError(f"TensorRT failed: {self._logger.last_error or 'no reason given'}")

    def feeds(self, bucket: int) -> dict[str, Array]:
        return self._buckets[bucket].feeds

    def run(self, bucket: int) -> dict[str, Array]:
        ready = self._buckets[bucket]
        try:
            for name, array in ready.feeds.items():
                self._cuda.upload(ready.addresses[name], array)
            self._start(ready)
            for name, array in ready.results.items():
                self._cuda.download(array, ready.addresses[name])
            self._cuda.synchronize()
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(f"TensorRT failed: {one_line(error)}") from error
        return ready.results

    def _start(self, ready: _Bucket) -> None:
        if ready.launch is not None:
            ready.launch()
        else:
            self._enqueue(ready)

    @property
    def stream(self) -> int:
        """CUDA stream that everything runs on."""
        return self._cuda.stream

    def run_on_device(self, bucket: int, memory: Mapping[str, Any], wait: bool = True) -> None:
        """Run on memory of the caller's, device-resident float32 and contiguous; nothing is copied.

        memory: every input and output by name, each a torch tensor, anything with `__cuda_array_interface__`, or an
        address. Work that fills the inputs must be on `stream` or done; without `wait`, outputs are ready in the
        order of `stream`. The bucket must be prepared. Raises BackendError.
        """
        ready = self._buckets[bucket]
        if set(memory) != set(ready.addresses):
            raise BackendError(f"memory is needed for {sorted(ready.addresses)}, got {sorted(memory)}")
        # Rebinding leaves the captured graph alone: it has its addresses inside.
        self._bind(ready, {name: device_address(value) for name, value in memory.items()})
        try:
            self._enqueue(ready)
            if wait:
                self._cuda.synchronize()
        finally:
            self._bind(ready, ready.addresses)

    def close(self) -> None:
        self._buckets.clear()
        self._engine = self._runtime = None
        self._cuda.close()


def device_address(value: Any) -> int:
    """Address of device memory that a torch tensor, a CUDA array of another package, or a number stands for."""
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is not None:
        if interface.get("strides") is not None:
            raise BackendError("device memory must be contiguous")
        return int(interface["data"][0])
    return int(value)
