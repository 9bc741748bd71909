"""CUDA memory, streams and graphs, by whichever package is there: cuda-python, pycuda, or torch if it is loaded."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from engines.errors import BackendError, one_line
from engines.tensors import Array

INSTALL = "pip install cuda-python"


class Cuda(Protocol):
    """One stream of one GPU. All methods raise BackendError if CUDA refuses."""

    name: str
    device: str
    """The GPU's name and compute capability."""
    stream: int
    """Handle of the stream that everything is put on."""

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the device."""

    def pinned(self, shape: tuple[int, ...]) -> Array:
        """float32 zeros in host memory that the device copies from without a detour."""

    def upload(self, target: int, source: Array) -> None:
        """Queue a copy to the device."""

    def download(self, target: Array, source: int) -> None:
        """Queue a copy from the device."""

    def synchronize(self) -> None:
        """Wait for everything queued."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        """Record what `work` queues, as one launch; None where this package cannot."""

    def close(self) -> None:
        """Give back all memory and the stream."""


def open_cuda() -> Cuda:
    """The first package that works, torch only if the program has loaded it already. Raises BackendError."""
    reasons = []
    makers: list[Callable[[], Cuda]] = [CudaPython, PyCuda]
    if "torch" in sys.modules:
        makers.insert(0, TorchCuda)
    for maker in makers:
        try:
            return maker()
        except ImportError:
            continue
        except Exception as error:
            reasons.append(one_line(error))
    raise BackendError(f"no CUDA device ({'; '.join(reasons)})" if reasons else f"no CUDA for Python: {INSTALL}")


class CudaPython:
    """NVIDIA's own package, versions 12 and 13."""

    name = "cuda-python"

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError:
            from cuda import cudart as runtime  # cuda-python 11 and 12.0
        self._cuda: Any = runtime
        if not self._do(runtime.cudaGetDeviceCount()):
            raise BackendError("CUDA sees no device")
        facts = self._do(runtime.cudaGetDeviceProperties(0))
        self.device = _describe(facts.name, facts.major, facts.minor)
        self._stream = self._do(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
        self.stream = int(self._stream)
        self._device: list[int] = []
        self._host: list[int] = []
        self._graphs: list[Any] = []

    def _do(self, result: tuple[Any, ...]) -> Any:
        """What a call returned besides its status."""
        status, *values = result
        if int(status):
            text = self._cuda.cudaGetErrorString(status)[1]
            raise BackendError(f"CUDA: {text.decode() if isinstance(text, bytes) else text}")
        return values[0] if values else None

    def allocate(self, size: int) -> int:
        address = int(self._do(self._cuda.cudaMalloc(size)))
        self._device.append(address)
        return address

    def pinned(self, shape: tuple[int, ...]) -> Array:
        count = int(np.prod(shape))
        address = int(self._do(self._cuda.cudaMallocHost(count * 4)))
        self._host.append(address)
        array = np.ctypeslib.as_array((ctypes.c_float * count).from_address(address)).reshape(shape)
        array[...] = 0
        return array

    def upload(self, target: int, source: Array) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._do(self._cuda.cudaMemcpyAsync(target, source.ctypes.data, source.nbytes, kind, self._stream))

    def download(self, target: Array, source: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._do(self._cuda.cudaMemcpyAsync(target.ctypes.data, source, target.nbytes, kind, self._stream))

    def synchronize(self) -> None:
        self._do(self._cuda.cudaStreamSynchronize(self._stream))

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        cuda = self._cuda
        self._do(cuda.cudaStreamBeginCapture(self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            work()
        finally:
            # Also after an error: a stream left in capture takes nothing else.
            graph = self._do(cuda.cudaStreamEndCapture(self._stream))
        ready = self._do(cuda.cudaGraphInstantiate(graph, 0))
        self._do(cuda.cudaGraphDestroy(graph))
        self._graphs.append(ready)
        return lambda: self._do(cuda.cudaGraphLaunch(ready, self._stream))

    def close(self) -> None:
        for graph in self._graphs:
            self._do(self._cuda.cudaGraphExecDestroy(graph))
        for address in self._device:
            self._do(self._cuda.cudaFree(address))
        for address in self._host:
            self._do(self._cuda.cudaFreeHost(address))
        self._graphs, self._device, self._host = [], [], []
        self._do(self._cuda.cudaStreamDestroy(self._stream))


class PyCuda:
    """PyCUDA, which has no CUDA graphs."""

    name = "pycuda"

    def __init__(self) -> None:
        import pycuda.autoprimaryctx
        import pycuda.driver

        self._cuda: Any = pycuda.driver
        device = pycuda.autoprimaryctx.device
        self.device = _describe(device.name(), *device.compute_capability())
        self._stream = pycuda.driver.Stream()
        self.stream = int(self._stream.handle)
        self._kept: list[Any] = []

    def allocate(self, size: int) -> int:
        memory = self._cuda.mem_alloc(size)
        self._kept.append(memory)
        return int(memory)

    def pinned(self, shape: tuple[int, ...]) -> Array:
        array: Array = self._cuda.pagelocked_zeros(shape, np.float32)
        return array

    def upload(self, target: int, source: Array) -> None:
        self._cuda.memcpy_htod_async(target, source, self._stream)

    def download(self, target: Array, source: int) -> None:
        self._cuda.memcpy_dtoh_async(target, source, self._stream)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        return None

    def close(self) -> None:
        self._kept.clear()


class TorchCuda:
    """PyTorch's allocator and streams, where the program works with its tensors anyway."""

    name = "torch"

    def __init__(self) -> None:
        import torch

        self._torch: Any = torch
        if not torch.cuda.is_available():
            raise BackendError("PyTorch sees no CUDA device")
        self.device = _describe(torch.cuda.get_device_name(0), *torch.cuda.get_device_capability(0))
        self._stream = torch.cuda.Stream()
        self.stream = int(self._stream.cuda_stream)
        self._kept: dict[int, Any] = {}
        self._host: dict[int, Any] = {}

    def allocate(self, size: int) -> int:
        memory = self._torch.empty(size, dtype=self._torch.uint8, device="cuda")
        self._kept[memory.data_ptr()] = memory
        return int(memory.data_ptr())

    def pinned(self, shape: tuple[int, ...]) -> Array:
        memory = self._torch.zeros(shape, pin_memory=True)
        array: Array = memory.numpy()
        self._host[array.ctypes.data] = memory
        return array

    def upload(self, target: int, source: Array) -> None:
        self._copy(self._kept[target], self._host[source.ctypes.data])

    def download(self, target: Array, source: int) -> None:
        host = self._host[target.ctypes.data]
        with self._torch.cuda.stream(self._stream):
            host.view(-1).view(self._torch.uint8).copy_(self._kept[source], non_blocking=True)

    def _copy(self, device: Any, host: Any) -> None:
        with self._torch.cuda.stream(self._stream):
            device.copy_(host.view(-1).view(self._torch.uint8), non_blocking=True)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream):
            work()

        def launch() -> None:
            with self._torch.cuda.stream(self._stream):
                graph.replay()

        return launch

    def close(self) -> None:
        self._kept.clear()
        self._host.clear()


def _describe(name: Any, major: int, minor: int) -> str:
    text = name.decode() if isinstance(name, bytes) else str(name)
    return f"{text.rstrip(chr(0))} ({major}.{minor})"
