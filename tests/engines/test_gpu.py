"""What needs an NVIDIA GPU: skipped with the reason elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines import Model, Options, backends, open_engine
from engines.backends.tensorrt_backend import TensorRtSession
from engines.backends.trt.cuda import open_cuda
from engines.differences import LIMITS, made_up_batch, relative_difference

GRAPHS = Path(__file__).resolve().parent / "graphs"
MODEL = Model("fill", {"fp32": GRAPHS / "fill.onnx", "fp16": GRAPHS / "fill-fp16.onnx"})


@pytest.fixture(autouse=True)
def tensorrt_here() -> None:
    reason = backends.backend("tensorrt").unavailable()
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrt_agrees_with_openvino(precision: str, tmp_path: Path) -> None:
    with open_engine(MODEL, "openvino", Options("fp32", (4,)), strict=True) as engine:
        batch = made_up_batch(engine.inputs, 6)
        truth = engine.run(batch)
    options = Options(precision, (1, 4), cache=tmp_path)  # type: ignore[arg-type]
    for _ in range(2):  # built, then from the cache
        with open_engine(MODEL, "tensorrt", options, strict=True) as engine:
            assert relative_difference(engine.run(batch), truth) < LIMITS[precision]
    assert len(list(tmp_path.rglob("*.plan"))) == 1


def test_states_are_carried_on(tmp_path: Path) -> None:
    model = Model("step", {"fp32": GRAPHS / "step.onnx"})
    with open_engine(model, "tensorrt", Options("fp32", (2,), cache=tmp_path), strict=True) as engine:
        state: dict[str, np.ndarray] = {}
        batch = made_up_batch([spec for spec in engine.inputs if spec.name not in engine.states], 2)
        for _ in range(3):
            out = engine.run(batch | state)
            state = {name: out[after] for name, after in engine.states.items()}
    assert state["state_steps"].tolist() == [[3.0], [3.0]]


def test_memory_on_the_device_is_used_as_it_is(tmp_path: Path) -> None:
    with open_engine(MODEL, "tensorrt", Options("fp32", (2,), cache=tmp_path), strict=True) as engine:
        session = engine.session
        assert isinstance(session, TensorRtSession)
        batch = made_up_batch(engine.inputs, 2)
        truth = engine.run(batch)["image"]
        cuda = open_cuda()
        memory = {spec.name: cuda.allocate(4 * 2 * int(np.prod(spec.shape))) for spec in engine.inputs + engine.outputs}
        image = cuda.pinned(truth.shape)
        for name, array in batch.items():
            staged = cuda.pinned(array.shape)
            staged[...] = array
            cuda.upload(memory[name], staged)
        cuda.synchronize()
        session.run_on_device(2, memory)
        cuda.download(image, memory["image"])
        cuda.synchronize()
        assert np.abs(image - truth).max() < 1e-5
        del image
        cuda.close()
