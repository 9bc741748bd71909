"""From an ONNX graph to a TensorRT plan for this GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engines.backends.trt.library import typed_strongly
from engines.cache import BlobCache
from engines.errors import BackendError

log = logging.getLogger(__name__)

WORKSPACE = 1 << 30
"""Bytes of scratch memory that kernels may ask for."""

Progress = Callable[[str, float], None]
"""Called with a phase and the share of it that is done, 0..1."""


def build_plan(
    trt: Any,
    logger: Any,
    graph: Path,
    precision: str,
    buckets: Sequence[int],
    timings: BlobCache,
    timing_key: dict[str, Any],
    progress: Progress | None = None,
) -> bytes:
    """Compile a graph with one optimisation profile per bucket, in the order of `buckets`.

    From TensorRT 10 on the graph's own types count; 8.6 is allowed fp16 by flag. `timings` keeps kernel timings from
    build to build. Raises BackendError with TensorRT's own reason.
    """
    builder = trt.Builder(logger)
    flags = trt.NetworkDefinitionCreationFlag
    flag = flags.STRONGLY_TYPED if typed_strongly(trt) else flags.EXPLICIT_BATCH
    network = builder.create_network(1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    # By path: tensors may lie in a file beside the graph.
    if not parser.parse_from_file(str(graph)):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise BackendError(f"TensorRT cannot read {graph.name}: {' '.join(reasons.split()) or logger.last_error}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    # TF32 keeps 10 bits of the mantissa: not what is called fp32 here.
    config.clear_flag(trt.BuilderFlag.TF32)
    if not typed_strongly(trt):
        if precision == "bf16":
            raise BackendError("TensorRT 8.6 does not compute in bf16: use fp16, or TensorRT 10 or newer")
        if precision == "fp16":
            config.set_flag(trt.BuilderFlag.FP16)
    for bucket in buckets:
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            shape = (bucket, *tuple(tensor.shape)[1:])
            profile.set_shape(tensor.name, shape, shape, shape)
        if config.add_optimization_profile(profile) < 0:
            raise BackendError(f"TensorRT does not take batch {bucket} of {graph.name}: {logger.last_error}")
    cache = config.create_timing_cache(timings.load(timing_key) or b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    if progress is not None and hasattr(config, "progress_monitor"):
        config.progress_monitor = make_monitor(trt, progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"TensorRT cannot compile {graph.name}: {logger.last_error or 'no reason given'}")
    timings.store(timing_key, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def make_monitor(trt: Any, progress: Progress) -> Any:
    """TensorRT's own kind of observer, which tells `progress`."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = max(1, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            progress(phase_name, 1.0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress(phase_name, min(1.0, (step + 1) / self._steps.get(phase_name, 1)))
            return True

    return Monitor()
