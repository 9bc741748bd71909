"""From PyTorch to ONNX, checked against PyTorch. Needs torch, onnx and onnxscript."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engines.cache import write_atomic
from engines.definitions import Definition, define
from engines.differences import LIMITS, made_up_batch, relative_difference
from engines.errors import BackendError, EngineError, ModelError, one_line
from engines.model import Model
from engines.opening import open_engine
from engines.session import Options
from engines.tensors import Array, Batch

INSTALL = "pip install 'concealer[train]'"
OPSET = 18
"""Read by TensorRT 8.6 to 11, OpenVINO and ONNX Runtime."""

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_CHECKED = (1, 3)
"""Batch lengths of the check; the graph is traced with another one."""


@dataclass(frozen=True)
class Exported:
    """A graph and how it was checked."""

    path: Path
    precision: str
    difference: float
    """Largest relative difference to PyTorch in float32 (`differences.relative_difference`)."""
    checked_by: str
    """The backend that ran the graph."""


_WORTH_HALVING = 256
"""Values from which on a weight is stored in half precision."""


class _Half(nn.Module):
    """float32 outside, half precision inside: callers need not know."""

    def __init__(self, module: nn.Module, inner: torch.dtype) -> None:
        super().__init__()
        self.module = _without_batch_norm(copy.deepcopy(module)).to(inner)
        self.inner = inner

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        made = self.module(*(tensor.to(self.inner) for tensor in inputs))
        return tuple(tensor.float() for tensor in (made if isinstance(made, tuple) else (made,)))


class _Affine(nn.Module):
    """Batch normalisation in evaluation: a scale and a shift per channel, (1, C, 1, 1) or (1, C)."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None
        shape = (1, -1, 1, 1) if isinstance(norm, nn.BatchNorm2d) else (1, -1)
        scale = torch.rsqrt(norm.running_var + norm.eps) * (1.0 if norm.weight is None else norm.weight)
        shift = (0.0 if norm.bias is None else norm.bias) - norm.running_mean * scale
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale.detach().view(shape))
        self.register_buffer("shift", shift.detach().view(shape))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x * self.scale + self.shift
        return out


def _without_batch_norm(module: nn.Module) -> nn.Module:
    """Its statistics may exceed half precision, and not every backend has the operator in bfloat16."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, name, _Affine(child))
        else:
            _without_batch_norm(child)
    return module


def reference(definition: Definition, batch: Batch) -> dict[str, Array]:
    """What PyTorch makes of a batch in float32 on the CPU."""
    definition.module.eval()
    with torch.inference_mode():
        made = definition.module(*(torch.from_numpy(batch[spec.name]) for spec in definition.inputs))
    tensors = made if isinstance(made, tuple) else (made,)
    return {spec.name: tensor.numpy() for spec, tensor in zip(definition.outputs, tensors, strict=True)}


def export(network: nn.Module, path: Path, precision: str = "fp32") -> Exported:
    """Write a network of `concealer.networks` as ONNX with its weights inside and any batch length.

    fp16, bf16: weights and arithmetic in half precision, inputs and outputs in float32. A recurrent network becomes
    one step with its state as inputs and outputs. The file appears only if the graph differs from PyTorch in float32
    by no more than `LIMITS` allows at batch lengths other than the traced one.

    Raises ValueError for an unknown network or precision, EngineError if export or check fail.
    """
    if precision not in _TYPES:
        raise ValueError(f"precision must be {', '.join(_TYPES)}, got {precision!r}")
    definition = define(network.float().eval())
    module = definition.module if precision == "fp32" else _Half(definition.module, _TYPES[precision])
    with tempfile.TemporaryDirectory(prefix="concealer-export-") as folder:
        draft = Path(folder) / path.name
        _write(module.eval(), definition, draft)
        forget_origin(draft)
        if precision == "fp32":
            keep_weights_as_half(draft)
        difference, checked_by = _check(definition, draft, precision)
        if not difference <= LIMITS[precision]:
            raise ModelError(
                f"the {precision} graph differs from PyTorch by {difference:.2g} (relative), {LIMITS[precision]:g} is "
                "allowed"
            )
        write_atomic(path, draft.read_bytes())
    return Exported(path, precision, difference, checked_by)


def _write(module: nn.Module, definition: Definition, path: Path) -> None:
    example = made_up_batch(definition.inputs, 2)
    count = torch.export.Dim("count")
    shapes: Any = tuple({0: count} for _ in definition.inputs)
    if isinstance(module, _Half):
        shapes = (shapes,)  # its arguments are one variadic one
    try:
        with _quiet():
            torch.onnx.export(
                module,
                tuple(torch.from_numpy(example[spec.name]) for spec in definition.inputs),
                path,
                input_names=[spec.name for spec in definition.inputs],
                output_names=[spec.name for spec in definition.outputs],
                dynamic_shapes=shapes,
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
            )
    except ImportError as error:
        raise EngineError(f"exporting needs {error.name or 'more packages'}: {INSTALL}") from error
    except Exception as error:
        raise EngineError(f"PyTorch cannot export this network: {one_line(error)}") from error


def forget_origin(path: Path) -> None:
    """Take out what the exporter notes of the place it ran in: stack traces with the names of its folders."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for one in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        one.ClearField("metadata_props")
        one.ClearField("doc_string")
    onnx.save(model, path)


def keep_weights_as_half(path: Path) -> None:
    """Store the weights that half precision holds exactly in it, each with a cast back to float32 behind it.

    Shipped weights are trained in float32 and kept in half precision, so this halves the graph and changes no bit of
    what it computes; backends fold the casts when they load it.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or int(np.prod(tensor.dims)) < _WORTH_HALVING:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = f"{tensor.name}_half"
        casts.append(helper.make_node("Cast", [name], [tensor.name], f"widen_{number}", to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(half, name))
    model.graph.node.extend(casts)
    # Nodes come in the order they can be computed in: these need nothing but weights.
    model.graph.node.sort(key=lambda node: not node.name.startswith("widen_"))
    onnx.save(model, path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own messages about every pass."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _check(definition: Definition, path: Path, precision: str) -> tuple[float, str]:
    """Largest relative difference over batches of `_CHECKED` lengths, and the backend it was found with.

    ONNX Runtime computes fp16 as fp16; no CPU backend is sure to compute bf16, so there OpenVINO shows what rounding
    the weights does.
    """
    model = Model(path.stem, {"fp32": path, precision: path})
    names = ("openvino", "onnxruntime") if precision == "bf16" else ("onnxruntime", "openvino")
    reasons = []
    for name in names:
        computed = precision if (name, precision) == ("onnxruntime", "fp16") else "fp32"
        options = Options(precision=computed, buckets=_CHECKED, threads=len(os.sched_getaffinity(0)))  # type: ignore[arg-type]
        try:
            with open_engine(model, name, options, strict=True) as engine:
                worst = 0.0
                for count in _CHECKED:
                    batch = made_up_batch(definition.inputs, count, seed=count)
                    worst = max(worst, relative_difference(engine.run(batch), reference(definition, batch)))
                return worst, f"{name} {computed}"
        except ModelError:
            raise
        except EngineError as error:
            reasons.append(str(error))
    raise BackendError(f"the graph cannot be checked: {'; '.join(reasons)}")


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with random weights that do not depend on the run; for timing where nothing is trained.

    Layers that start at zero get small weights, else half of the network would not show in its outputs.
    """
    rng = np.random.default_rng(seed)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or "running_" in name:
            continue
        fan = max(1, tensor[0].numel()) if tensor.ndim > 1 else 1
        scale = np.sqrt(1.0 / fan) if tensor.ndim > 1 else 0.1
        base = 1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0
        tensor.copy_(torch.from_numpy((base + scale * rng.standard_normal(tuple(tensor.shape))).astype(np.float32)))
    return network.eval()
