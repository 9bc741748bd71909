"""Running networks: batches, buckets, states, statistics, backends and what happens without them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines import EngineError, Model, ModelError, Options, backends, from_onnx, open_engine
from engines.differences import LIMITS, made_up_batch, relative_difference
from engines.engine import Engine, split
from engines.errors import one_line
from engines.tensors import TensorSpec, state_pairs
from tests.conftest import require

GRAPHS = Path(__file__).resolve().parent / "graphs"
FILL = Model("fill", {"fp32": GRAPHS / "fill.onnx", "fp16": GRAPHS / "fill-fp16.onnx"})
STEP = from_onnx(GRAPHS / "step.onnx")
SMALL = Options(precision="fp32", buckets=(1, 2, 4))
ON_CPU = ("openvino", "onnxruntime")


def opened(model: Model, name: str, options: Options = SMALL) -> Engine:
    if name == "onnxruntime":
        require("onnxruntime")
    return open_engine(model, name, options, strict=True)


def expected(batch: dict[str, Any]) -> Any:
    """What the graphs compute, in NumPy."""
    import cv2

    def mean(maps: Any) -> Any:
        once = [cv2.blur(m, (25, 25), borderType=cv2.BORDER_CONSTANT) for m in maps]
        return np.stack([cv2.blur(m, (25, 25), borderType=cv2.BORDER_CONSTANT) for m in once])

    out = []
    for damaged, mask in zip(batch["damaged"], batch["mask"], strict=True):
        known = 1 - mask
        out.append(damaged * known + mask * mean(damaged * known) / (mean(known) + 1e-3))
    return np.stack(out)


@pytest.mark.parametrize("name", ON_CPU)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 9])
def test_any_batch_length_gives_the_same_as_row_by_row(name: str, count: int) -> None:
    with opened(FILL, name) as engine:
        batch = made_up_batch(engine.inputs, count, seed=count)
        made = engine.run(batch)["image"]
    assert made.shape == (count, 3, 64, 64)
    assert np.abs(made - expected(batch)).max() < 1e-4


@pytest.mark.parametrize("name", ON_CPU)
def test_state_is_handed_on_and_zero_where_it_is_left_out(name: str) -> None:
    with opened(STEP, name) as engine:
        assert engine.states == {"state_steps": "next_state_steps"}
        batch = made_up_batch([s for s in engine.inputs if s.name not in engine.states], 3)
        state = {"state_steps": np.zeros((3, 1), np.float32)}
        first = engine.run(batch)
        for _ in range(4):
            out = engine.run(batch | state)
            state = {name: out[after] for name, after in engine.states.items()}
        rows = engine.run(batch | {"state_steps": np.array([[0], [7], [2]], np.float32)})
    assert state["state_steps"].tolist() == [[4.0]] * 3
    hole = batch["mask"].astype(bool).repeat(3, 1)
    assert np.allclose((out["image"] - first["image"])[hole], 0.03, atol=1e-5)
    assert rows["next_state_steps"].tolist() == [[1.0], [8.0], [3.0]]


def test_backends_agree_in_half_precision() -> None:
    require("onnxruntime")
    with opened(FILL, "openvino") as engine:
        batch = made_up_batch(engine.inputs, 2)
        truth = engine.run(batch)
    with opened(FILL, "onnxruntime", Options(precision="fp16", buckets=(2,))) as engine:
        assert engine.precision == "fp16"
        difference = relative_difference(engine.run(batch), truth)
    assert 0 < difference < LIMITS["fp16"]


def test_results_are_the_callers_own() -> None:
    with opened(FILL, "openvino") as engine:
        first = engine.run(made_up_batch(engine.inputs, 2, seed=1))["image"]
        kept = first.copy()
        engine.run(made_up_batch(engine.inputs, 2, seed=2))
        assert np.array_equal(first, kept)


def test_inputs_of_other_types_and_layouts_are_taken() -> None:
    with opened(FILL, "openvino") as engine:
        batch = made_up_batch(engine.inputs, 2)
        odd = {name: np.asfortranarray(array.astype(np.float64)) for name, array in batch.items()}
        assert np.array_equal(engine.run(odd)["image"], engine.run(batch)["image"])


def test_calls_from_several_threads_do_not_mix() -> None:
    with opened(FILL, "openvino") as engine:
        batches = [made_up_batch(engine.inputs, 1 + n % 3, seed=n) for n in range(8)]
        made: dict[int, Any] = {}

        def work(index: int) -> None:
            for _ in range(5):
                made[index] = engine.run(batches[index])["image"]

        threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(np.abs(made[n] - expected(batches[n])).max() < 1e-4 for n in made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, "missing"),
        ({"extra": np.zeros((1, 1))}, "unknown"),
        ({"mask": np.zeros((1, 1, 8, 8), np.float32)}, "must be"),
        ({"mask": np.zeros((2, 1, 64, 64), np.float32)}, "one batch length"),
        ({"mask": np.zeros((0, 1, 64, 64)), "damaged": np.zeros((0, 3, 64, 64))}, "above zero"),
    ],
)
def test_wrong_batches_are_named(change: dict[str, Any], message: str) -> None:
    with opened(FILL, "openvino") as engine:
        batch = made_up_batch(engine.inputs, 1) | change
        with pytest.raises(ValueError, match=message):
            engine.run({name: array for name, array in batch.items() if array is not None})


@pytest.mark.parametrize(
    ("count", "pads", "calls"),
    [
        (1, False, [(1, 1)]),
        (3, False, [(2, 2), (1, 1)]),
        (3, True, [(4, 3)]),
        (4, False, [(4, 4)]),
        (11, False, [(8, 8), (2, 2), (1, 1)]),
        (11, True, [(8, 8), (4, 3)]),
        (20, True, [(8, 8), (8, 8), (4, 4)]),
    ],
)
def test_batches_are_cut_or_padded(count: int, pads: bool, calls: list[tuple[int, int]]) -> None:
    assert split(count, (1, 2, 4, 8), pads) == calls


def test_less_than_the_smallest_bucket_is_padded() -> None:
    assert split(7, (4, 8), False) == [(4, 4), (4, 3)]


def test_statistics_count_calls_rows_and_padding() -> None:
    with opened(FILL, "openvino", Options(precision="fp32", buckets=(2, 4))) as engine:
        assert engine.statistics() == [{"bucket": 2, "calls": 0}, {"bucket": 4, "calls": 0}]
        engine.run(made_up_batch(engine.inputs, 5))
        two, four = engine.statistics()
        assert (two["calls"], two["items"], two["padded"]) == (1, 1, 1)
        assert (four["calls"], four["items"], four["padded"]) == (1, 4, 0)
        assert 0 < four["p50_ms"] <= four["p95_ms"] <= four["p99_ms"]


def test_a_closed_engine_says_so() -> None:
    engine = opened(FILL, "openvino")
    batch = made_up_batch(engine.inputs, 1)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(batch)


def test_states_need_a_successor_of_their_shape() -> None:
    state = TensorSpec("state_h", (4,))
    with pytest.raises(ModelError, match="state_h"):
        state_pairs([state], [TensorSpec("next_state_h", (5,))])
    with pytest.raises(ModelError, match="must be fixed"):
        TensorSpec("damaged", (3, -1, 64))


def test_buckets_are_checked() -> None:
    for buckets in ((), (0, 1), (2, 1), (1, 1)):
        with pytest.raises(ValueError, match="buckets"):
            Options(buckets=buckets)


def test_other_words_of_options_are_checked() -> None:
    for words in ({"precision": "int8"}, {"device": "tpu"}, {"mode": "fast"}):
        with pytest.raises(ValueError, match=next(iter(words.values()))):
            Options(**words)  # type: ignore[arg-type]


# Which backend


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **parts: Any) -> None:
    real = backends.backend(name)
    module = SimpleNamespace(unavailable=real.unavailable, open_session=real.open_session, INSTALL=real.INSTALL)
    for part, value in parts.items():
        setattr(module, part, value)
    monkeypatch.setitem(sys.modules, backends.MODULES[name], module)


def test_a_missing_backend_is_named_with_what_to_install_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    if backends.backend("tensorrt").unavailable() is None:
        pytest.skip("TensorRT runs here")
    with caplog.at_level(logging.WARNING), open_engine(FILL, "tensorrt", SMALL) as engine:
        assert engine.backend == "openvino"
    assert len(caplog.records) == 1
    assert "openvino is used instead" in caplog.text
    assert "\n" not in caplog.records[0].getMessage()
    with pytest.raises(EngineError, match="TensorRT"):
        open_engine(FILL, "tensorrt", SMALL, strict=True)


def test_a_broken_backend_is_replaced(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    require("onnxruntime")

    def fail(*_: Any) -> Any:
        raise RuntimeError("Exception from src/x.cpp:1:\nno such instruction\nand more")

    fake(monkeypatch, "openvino", open_session=fail)
    with caplog.at_level(logging.WARNING), open_engine(FILL, "auto", SMALL) as engine:
        assert engine.backend == "onnxruntime"
    assert [r.getMessage() for r in caplog.records] == ["openvino: no such instruction; onnxruntime is used instead"]


def test_a_backend_that_cannot_be_imported_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    require("onnxruntime")

    def fail(*_: Any) -> Any:
        raise ImportError("libtbb.so.12: cannot open shared object file")

    fake(monkeypatch, "openvino", open_session=fail)
    with caplog.at_level(logging.WARNING), open_engine(FILL, "auto", SMALL):
        pass
    assert "libtbb" in caplog.text and "pip install openvino" in caplog.text


def test_a_backend_that_makes_nonsense_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    require("onnxruntime")
    real = backends.backend("openvino")

    def broken(model: Model, options: Options) -> Any:
        session = real.open_session(model, options)
        right = session.run
        session.run = lambda bucket: {name: array * np.nan for name, array in right(bucket).items()}
        return session

    fake(monkeypatch, "openvino", open_session=broken)
    with open_engine(FILL, "auto", SMALL) as engine:
        assert engine.backend == "onnxruntime"


def test_without_any_backend_all_reasons_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "openvino", "onnxruntime"):
        fake(monkeypatch, name, unavailable=lambda name=name: f"{name} is not installed: pip install {name}")
    with pytest.raises(EngineError, match="pip install openvino.*pip install onnxruntime"):
        open_engine(FILL, "auto", SMALL)


def test_unknown_names_and_missing_files_are_errors() -> None:
    with pytest.raises(ValueError, match="'cuda'"):
        open_engine(FILL, "cuda", SMALL)
    with pytest.raises(ModelError, match="is not a file"):
        from_onnx("/nowhere/a.onnx")
    with pytest.raises(ModelError, match="no bf16 graph"):
        FILL.graph("bf16")


def test_a_damaged_graph_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes((GRAPHS / "fill.onnx").read_bytes()[:300])
    with pytest.raises(EngineError) as caught:
        open_engine(from_onnx(tmp_path / "bad.onnx"), "auto", SMALL)
    assert "\n" not in str(caught.value)


def test_running_loads_no_torch() -> None:
    code = (
        "import sys\nfrom engines import *\n"
        f"engine = open_engine(from_onnx({str(GRAPHS / 'fill.onnx')!r}), 'auto', Options(buckets=(1,)))\n"
        "available()\nsys.exit('torch' in sys.modules or 'concealer.networks' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_messages_are_cut_to_one_line() -> None:
    assert one_line(ValueError("  a \n b")) == "a"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line(ValueError("x" * 1000))) == 300


def test_openvino_does_not_report_its_use(tmp_path: Path) -> None:
    """Its package would send an event and leave an identifier in the home folder."""
    code = (
        "import sys\nfrom engines import *\n"
        f"open_engine(from_onnx({str(GRAPHS / 'fill.onnx')!r}), 'openvino', Options(buckets=(1,)))\n"
        "sys.exit(any(name.startswith('openvino_telemetry.') for name in sys.modules))"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    assert not list(tmp_path.iterdir())
