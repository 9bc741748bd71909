"""Every call of CUDA fits the signatures of the real bindings. Nothing here runs on a GPU."""

from __future__ import annotations

import ctypes
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engines import BackendError
from engines.backends.trt import cuda as cuda_module
from tests.conftest import require

CALLS = {
    "cudaGetDeviceCount": 1,
    "cudaGetDeviceProperties": SimpleNamespace(name=b"Test GPU\0\0", major=9, minor=0),
    "cudaStreamCreateWithFlags": 77,
    "cudaStreamBeginCapture": None,
    "cudaStreamEndCapture": 5,
    "cudaGraphInstantiate": 6,
    "cudaGraphDestroy": None,
    "cudaGraphLaunch": None,
    "cudaGraphExecDestroy": None,
    "cudaMemcpyAsync": None,
    "cudaStreamSynchronize": None,
    "cudaStreamDestroy": None,
    "cudaFree": None,
    "cudaFreeHost": None,
}


class CudaScript:
    """A double of `cuda.bindings.runtime`: functions must exist there and get as many arguments as they take."""

    def __init__(self, real: ModuleType, failing: str = "") -> None:
        self._real, self._failing = real, failing
        self.calls: list[str] = []
        self._blocks: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real) or isinstance(real, type):
            return real
        wanted = (real.__doc__ or "").split("\n")[0]
        assert wanted.startswith(f"{name}("), f"{name} states no signature"
        inside = wanted[len(name) + 1 : wanted.index(")")]

        def call(*given: Any) -> tuple[Any, ...]:
            assert len(given) == len([part for part in inside.split(",") if part.strip()]), f"{wanted} got {given}"
            if name == "cudaGetErrorString":
                answer: tuple[Any, ...] = real(*given)
                return answer
            self.calls.append(name)
            if name == self._failing:
                return (self._real.cudaError_t.cudaErrorMemoryAllocation, None)
            success = self._real.cudaError_t.cudaSuccess
            if name in ("cudaMalloc", "cudaMallocHost"):
                self._blocks.append((ctypes.c_char * given[0])())
                return success, ctypes.addressof(self._blocks[-1])
            value = CALLS[name]
            return (success,) if value is None else (success, value)

        return call


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    require("cuda.bindings.runtime")
    from cuda.bindings import runtime

    return runtime


def use(monkeypatch: pytest.MonkeyPatch, script: CudaScript) -> None:
    import cuda.bindings

    monkeypatch.setattr(cuda.bindings, "runtime", script)


def test_cuda_calls_fit_cuda_python(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    script = CudaScript(runtime)
    use(monkeypatch, script)
    cuda = cuda_module.CudaPython()
    assert cuda.device == "Test GPU (9.0)"
    host, address = cuda.pinned((2, 3)), cuda.allocate(24)
    assert host.shape == (2, 3) and not host.any()
    cuda.upload(address, host)
    launch = cuda.capture(lambda: cuda.download(host, address))
    assert launch is not None
    launch()
    cuda.synchronize()
    cuda.close()
    for name in ("cudaFree", "cudaFreeHost", "cudaGraphExecDestroy", "cudaStreamDestroy"):
        assert script.calls.count(name) == 1


def test_cuda_errors_are_said_in_words(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, CudaScript(runtime, failing="cudaMalloc"))
    with pytest.raises(BackendError, match="CUDA: out of memory"):
        cuda_module.CudaPython().allocate(4)


def test_without_a_gpu_one_line_says_so() -> None:
    try:
        cuda_module.open_cuda().close()
    except BackendError as error:
        assert "\n" not in str(error)
        assert "CUDA" in str(error)
    else:
        pytest.skip("there is a GPU here")
