"""Every call of the TensorRT backend fits the signatures of the real bindings. Nothing here runs on a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.backends.tensorrt_backend import TensorRtSession, device_address
from engines.backends.trt import library
from engines.backends.trt.build import make_monitor
from engines.engine import Engine
from engines.errors import BackendError
from engines.model import Model
from engines.session import Options
from tests.engines.bindings import Double, load_bindings, signatures

GRAPHS = Path(__file__).resolve().parent / "graphs"
MODEL = Model("fill", {"fp32": GRAPHS / "fill.onnx", "fp16": GRAPHS / "fill-fp16.onnx"})
SIDE = 64
SHAPES = {"damaged": (-1, 3, SIDE, SIDE), "mask": (-1, 1, SIDE, SIDE), "image": (-1, 3, SIDE, SIDE)}
PLAN = b"a plan"


@pytest.fixture(scope="module")
def bindings() -> ModuleType:
    return load_bindings()


class HostCuda:
    """`Cuda` whose device memory is the host's: what is uploaded can be seen where TensorRT was told to look."""

    name = "host"
    device = "Test GPU (9.0)"
    stream = 77

    def __init__(self, graphs: bool = True) -> None:
        self.graphs, self.launches, self.closed = graphs, 0, False
        self.memory: dict[int, Any] = {}

    def allocate(self, size: int) -> int:
        block = (ctypes.c_char * size)()
        self.memory[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def pinned(self, shape: tuple[int, ...]) -> Any:
        return np.zeros(shape, np.float32)

    def upload(self, target: int, source: Any) -> None:
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def download(self, target: Any, source: int) -> None:
        ctypes.memmove(target.ctypes.data, source, target.nbytes)

    def synchronize(self) -> None:
        pass

    def capture(self, work: Callable[[], None]) -> Callable[[], None] | None:
        if not self.graphs:
            return None
        work()

        def launch() -> None:
            self.launches += 1
            work()

        return launch

    def close(self) -> None:
        self.closed = True


class Script:
    """A double of the module `tensorrt` whose networks negate their picture."""

    def __init__(self, real: ModuleType, version: str = "11.4.0.106", **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.addresses: list[dict[str, int]] = []
        self._real, self._answers = real, answers
        self.__version__ = version
        self._profile = 0

    def __getattr__(self, name: str) -> Any:
        if name in self._answers:
            return self._answers[name]
        real = getattr(self._real, name)
        if name not in ("Builder", "OnnxParser", "Runtime"):
            return real  # enumerations and base classes: the real ones

        def construct(*given: Any) -> Double:
            assert any(s.binds(given, {}) for s in signatures(real.__init__)), f"{name} is not made of {given}"
            self.calls.append((name, *given))
            return self.double(name)

        return construct

    def double(self, name: str) -> Any:
        return Double(getattr(self._real, name), self._make(name), self.calls)

    def _make(self, name: str) -> dict[str, Any]:
        given = self._answers
        port = [self._tensor(tensor) for tensor in ("damaged", "mask")]
        names = list(SHAPES)
        mode = self._real.TensorIOMode
        return {
            "Builder": {
                "create_network": lambda flags=0: self.double("INetworkDefinition"),
                "create_builder_config": lambda: self.double("IBuilderConfig"),
                "create_optimization_profile": lambda: self.double("IOptimizationProfile"),
                "build_serialized_network": given.get("built", PLAN),
            },
            "INetworkDefinition": {"num_inputs": 2, "get_input": lambda index: port[index]},
            "IOptimizationProfile": {"set_shape": None},
            "OnnxParser": {
                "parse_from_file": given.get("parsed", True),
                "num_errors": 1,
                "get_error": "node 3: an operator\nnobody knows",
            },
            "IBuilderConfig": {
                "set_memory_pool_limit": None,
                "clear_flag": None,
                "set_flag": None,
                "add_optimization_profile": lambda profile: self._next_profile(),
                "create_timing_cache": lambda blob: self.double("ITimingCache"),
                "set_timing_cache": True,
                "get_timing_cache": lambda: self.double("ITimingCache"),
            },
            "ITimingCache": {"serialize": lambda: b"timings"},
            "Runtime": {"deserialize_cuda_engine": self._deserialize},
            "ICudaEngine": {
                "num_io_tensors": 3,
                "get_tensor_name": lambda index: names[index],
                "get_tensor_mode": lambda name: mode.OUTPUT if name == "image" else mode.INPUT,
                "get_tensor_dtype": given.get("dtype", self._real.DataType.FLOAT),
                "get_tensor_shape": lambda name: SHAPES[name],
                "create_execution_context": self._context,
            },
        }[name]

    def _deserialize(self, plan: bytes) -> Any:
        return self.double("ICudaEngine") if plan == PLAN else None

    def _next_profile(self) -> int:
        self._profile += 1
        return self._profile - 1

    def _tensor(self, name: str) -> Double:
        return Double(self._real.ITensor, {"shape": SHAPES[name], "name": name}, self.calls)

    def _context(self) -> Double:
        shapes: dict[str, tuple[int, ...]] = {}
        addresses: dict[str, int] = {}
        self.addresses.append(addresses)

        def set_shape(name: str, shape: tuple[int, ...]) -> bool:
            shapes[name] = shape
            return True

        def set_address(name: str, address: int) -> bool:
            addresses[name] = address
            return True

        def execute(stream: int) -> bool:
            count = int(np.prod(shapes["damaged"]))
            seen = np.frombuffer((ctypes.c_float * count).from_address(addresses["damaged"]), np.float32)
            made = np.frombuffer((ctypes.c_float * count).from_address(addresses["image"]), np.float32)
            made[:] = -seen
            return bool(self._answers.get("executes", True))

        answers = {
            "set_optimization_profile_async": True,
            "set_input_shape": set_shape,
            "set_tensor_address": set_address,
            "execute_async_v3": execute,
        }
        return Double(self._real.IExecutionContext, answers, self.calls)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


def session(script: Script, cache: Path, precision: str = "fp16", cuda: HostCuda | None = None) -> TensorRtSession:
    options = Options(precision=precision, buckets=(1, 4), cache=cache)  # type: ignore[arg-type]
    return TensorRtSession(script, cuda or HostCuda(), MODEL, options)


def batch(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    return {
        "damaged": rng.normal(size=(count, 3, SIDE, SIDE)).astype(np.float32),
        "mask": np.zeros((count, 1, SIDE, SIDE), np.float32),
    }


def test_builds_with_a_profile_per_bucket_and_types_of_the_graph(bindings: ModuleType, tmp_path: Path) -> None:
    script = Script(bindings)
    session(script, tmp_path)
    assert script.called("Builder.create_network") == [
        (1 << int(bindings.NetworkDefinitionCreationFlag.STRONGLY_TYPED),)
    ]
    assert script.called("OnnxParser.parse_from_file") == [(str(GRAPHS / "fill-fp16.onnx"),)]
    shapes = [call[1:] for call in script.called("IOptimizationProfile.set_shape") if call[0] == "damaged"]
    assert shapes == [((n, 3, SIDE, SIDE),) * 3 for n in (1, 4)]
    assert len(script.called("IBuilderConfig.add_optimization_profile")) == 2
    assert not script.called("IBuilderConfig.set_flag")
    assert script.called("IBuilderConfig.clear_flag") == [(bindings.BuilderFlag.TF32,)]


@pytest.mark.parametrize("graphs", [True, False])
def test_runs_any_batch_through_graphs_or_without(bindings: ModuleType, tmp_path: Path, graphs: bool) -> None:
    script, cuda = Script(bindings), HostCuda(graphs)
    engine = Engine(session(script, tmp_path, cuda=cuda), (1, 4))
    engine.warm_up()
    before = cuda.launches
    for count in (1, 3, 6):
        given = batch(count)
        assert np.array_equal(engine.run(given)["image"], -given["damaged"])
    assert cuda.launches - before == (4 if graphs else 0)
    assert {entry["bucket"]: entry["padded"] for entry in engine.statistics()} == {1: 0, 4: 3}
    assert all(call == (HostCuda.stream,) for call in script.called("IExecutionContext.execute_async_v3"))
    assert [call[0] for call in script.called("IExecutionContext.set_optimization_profile_async")] == [0, 1]
    engine.close()
    assert cuda.closed


def test_runs_on_memory_of_the_caller_and_goes_back(bindings: ModuleType, tmp_path: Path) -> None:
    script = Script(bindings)
    ours = session(script, tmp_path)
    ours.prepare(1)
    own = dict(script.addresses[-1])
    given = batch(1)
    image = np.zeros((1, 3, SIDE, SIDE), np.float32)
    memory = {
        "damaged": SimpleNamespace(__cuda_array_interface__={"data": (given["damaged"].ctypes.data, False)}),
        "mask": given["mask"].ctypes.data,
        "image": SimpleNamespace(__cuda_array_interface__={"data": (image.ctypes.data, False), "strides": None}),
    }
    ours.run_on_device(1, memory)
    assert np.array_equal(image, -given["damaged"])
    assert script.addresses[-1] == own
    with pytest.raises(BackendError, match="memory is needed"):
        ours.run_on_device(1, {"damaged": 1})
    with pytest.raises(BackendError, match="contiguous"):
        device_address(SimpleNamespace(__cuda_array_interface__={"data": (1, False), "strides": (8, 4)}))


def test_a_plan_is_built_once_and_again_if_its_file_is_damaged(bindings: ModuleType, tmp_path: Path) -> None:
    built = []
    for _ in range(2):
        script = Script(bindings)
        session(script, tmp_path)
        built.append(len(script.called("Builder.build_serialized_network")))
    plan = next(tmp_path.rglob("*.plan"))
    plan.write_bytes(plan.read_bytes()[:-1] + b"?")
    script = Script(bindings)
    session(script, tmp_path)
    built.append(len(script.called("Builder.build_serialized_network")))
    assert built == [1, 0, 1]


@pytest.mark.parametrize("change", ["gpu", "version", "precision", "buckets"])
def test_a_plan_belongs_to_gpu_version_precision_and_shapes(bindings: ModuleType, tmp_path: Path, change: str) -> None:
    session(Script(bindings), tmp_path)
    cuda = HostCuda()
    if change == "gpu":
        cuda.device = "Other GPU (8.6)"
    script = Script(bindings, "11.5.0" if change == "version" else "11.4.0.106")
    buckets = (1, 2) if change == "buckets" else (1, 4)
    precision: Any = "fp32" if change == "precision" else "fp16"
    TensorRtSession(script, cuda, MODEL, Options(precision=precision, buckets=buckets, cache=tmp_path))
    assert script.called("Builder.build_serialized_network")


def test_timings_are_kept_from_build_to_build(bindings: ModuleType, tmp_path: Path) -> None:
    session(Script(bindings), tmp_path)
    script = Script(bindings)
    session(script, tmp_path, "fp32")
    assert script.called("IBuilderConfig.create_timing_cache") == [(b"timings",)]


def test_version_8_takes_half_precision_by_flag(bindings: ModuleType, tmp_path: Path) -> None:
    """The names of 8.6 are from its documentation: its bindings come only with the whole library."""
    flags = SimpleNamespace(FP16=bindings.BuilderFlag.DEBUG, TF32=bindings.BuilderFlag.TF32)
    creation = SimpleNamespace(EXPLICIT_BATCH=0)
    script = Script(bindings, "8.6.1", BuilderFlag=flags, NetworkDefinitionCreationFlag=creation)
    session(script, tmp_path)
    assert script.called("IBuilderConfig.set_flag") == [(flags.FP16,)]
    assert script.called("OnnxParser.parse_from_file") == [(str(GRAPHS / "fill.onnx"),)]
    with pytest.raises(BackendError, match="bf16"):
        session(Script(bindings, "8.6.1", BuilderFlag=flags, NetworkDefinitionCreationFlag=creation), tmp_path, "bf16")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"parsed": False}, "nobody knows"),
        ({"built": None}, "cannot compile"),
        ({"built": b"else"}, "cannot load what it built"),
    ],
)
def test_refusals_are_one_line(bindings: ModuleType, tmp_path: Path, answers: dict[str, Any], reason: str) -> None:
    with pytest.raises(BackendError, match=reason) as caught:
        session(Script(bindings, **answers), tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.plan"))


def test_failure_while_running_is_an_error(bindings: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="failed"):
        session(Script(bindings, executes=False), tmp_path).prepare(1)


def test_graphs_with_other_types_outside_are_refused(bindings: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="not float32"):
        session(Script(bindings, dtype=bindings.DataType.HALF), tmp_path)


def test_progress_monitor_takes_the_place_of_the_real_one(bindings: ModuleType) -> None:
    seen: list[tuple[str, float]] = []
    monitor = make_monitor(bindings, lambda phase, share: seen.append((phase, share)))
    assert isinstance(monitor, bindings.IProgressMonitor)
    for name in ("phase_start", "phase_finish", "step_complete"):
        assert hasattr(bindings.IProgressMonitor, name)
    monitor.phase_start("tactics", None, 4)
    assert monitor.step_complete("tactics", 1)
    monitor.phase_finish("tactics")
    assert seen == [("tactics", 0.5), ("tactics", 1.0)]


def test_logger_is_one_of_the_bindings(bindings: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    logger = library.make_logger(bindings)
    assert isinstance(logger, bindings.ILogger)
    logger.log(bindings.ILogger.Severity.ERROR, "out of\n memory")
    assert logger.last_error == "out of memory"
