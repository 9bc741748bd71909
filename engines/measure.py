"""Comparing and timing a network in the backends of this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.backends import BACKENDS, backend
from engines.crops import load_crops
from engines.differences import LIMITS, made_up_batch, relative_difference
from engines.engine import Engine
from engines.errors import EngineError
from engines.model import Model
from engines.opening import open_engine
from engines.session import Options
from engines.tensors import Array, Batch, TensorSpec

INCLUDES = (
    "one call of Engine.run with arrays in host memory: copying the batch into the engine's buffers, transfers to and "
    "from a device where there is one, the network, copying the results out"
)
_LEAST_ROUNDS = 10


@dataclass(frozen=True)
class Comparison:
    """One backend and precision against the reference."""

    network: str
    backend: str
    precision: str
    reference: str
    inputs: str
    difference: float | None
    """Largest relative difference over all outputs and steps; None if the backend cannot be used."""
    limit: float
    reason: str = ""
    """Why the backend cannot be used."""

    @property
    def holds(self) -> bool:
        return self.difference is None or self.difference <= self.limit

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


@dataclass(frozen=True)
class Timing:
    """Calls of one backend at one batch size."""

    network: str
    backend: str
    mode: str
    device: str
    precision: str
    bucket: int
    rounds: int
    best_ms: float
    """The quickest call: what the machine does when nothing else wants it."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    items_per_second: float
    """Batch size over the median."""
    includes: str = INCLUDES

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def batch_of(inputs: Sequence[TensorSpec], count: int, crops: Path | None, seed: int = 0) -> dict[str, Array]:
    """Inputs for a network; pictures from image files where they are given. Raises ValueError if none can be read."""
    batch = made_up_batch(inputs, count, seed)
    picture = next((spec for spec in inputs if spec.name in ("damaged", "image")), None)
    if crops is not None and picture is not None:
        batch[picture.name] = load_crops(crops, picture.shape[-1], count)
        if "mask" in batch:
            batch[picture.name] *= 1 - batch["mask"]
    return batch


def run_steps(engine: Engine, batch: Batch, steps: int) -> dict[str, Array]:
    """The outputs of the last of `steps` steps with the same pictures, a recurrent state handed on."""
    given = {name: array for name, array in batch.items() if name not in engine.states}
    state: dict[str, Array] = {}  # left out: zero
    for _ in range(steps if engine.states else 1):
        made = engine.run(given | state)
        state = {name: made[after] for name, after in engine.states.items()}
    return made


def compare(
    model: Model,
    backends: Sequence[str] = BACKENDS,
    precisions: Sequence[str] = ("fp32",),
    crops: Path | None = None,
    *,
    count: int = 5,
    options: Options | None = None,
) -> Iterator[Comparison]:
    """Every backend that can be used against PyTorch in float32, or the first that can where that is missing.

    Recurrent networks run three steps. Raises EngineError if there is no reference, ValueError for unusable crops.
    """
    base = options or Options()
    order = ("torch", "onnxruntime", "openvino", "tensorrt")
    plain = Options("fp32", (1, 2, 4), base.threads, "cpu", cache=base.cache)
    reasons = []
    for name in order:
        reason = backend(name).unavailable()
        try:
            if reason is not None:
                raise EngineError(reason)
            with open_engine(model, name, plain, strict=True) as engine:
                batch = batch_of(engine.inputs, count, crops)
                truth = run_steps(engine, batch, 3)
            break
        except EngineError as error:
            reasons.append(str(error))
    else:
        raise EngineError(f"no reference for {model.name}: {'; '.join(reasons)}")
    said = f"{name} fp32" + ("" if name == "torch" else " (PyTorch cannot be used here)")
    inputs = f"{count} crops of {crops.name}" if crops else f"{count} made-up pictures"
    for other in backends:
        for precision in precisions:
            if (other, precision) == (name, "fp32"):
                continue
            limit = LIMITS[precision]
            tried = Options(precision, (1, 2, 4), base.threads, base.device, cache=base.cache)  # type: ignore[arg-type]
            reason = backend(other).unavailable()
            difference = None
            if reason is None:
                try:
                    with open_engine(model, other, tried, strict=True) as engine:
                        difference = relative_difference(run_steps(engine, batch, 3), truth)
                except EngineError as error:
                    reason = str(error)
            yield Comparison(model.name, other, precision, said, inputs, difference, limit, reason or "")


def time_engine(engine: Engine, name: str, mode: str = "", *, rounds: int = 100, seconds: float = 5.0) -> list[Timing]:
    """Milliseconds of every bucket, after three calls to warm up; fewer rounds where they would take too long."""
    found = []
    for bucket in engine.buckets:
        batch = batch_of(engine.inputs, bucket, None)
        for _ in range(3):
            engine.run(batch)
        times: list[float] = []
        began = time.perf_counter()
        while len(times) < rounds and (len(times) < _LEAST_ROUNDS or time.perf_counter() - began < seconds):
            started = time.perf_counter()
            engine.run(batch)
            times.append((time.perf_counter() - started) * 1e3)
        p50, p95, p99 = (float(value) for value in np.percentile(times, (50, 95, 99)))
        what = (name, engine.backend, mode, engine.device, engine.precision)
        found.append(Timing(*what, bucket, len(times), min(times), p50, p95, p99, bucket / p50 * 1e3))
    return found
