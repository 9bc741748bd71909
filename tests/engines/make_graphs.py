"""Writes tests/engines/graphs/*.onnx, small untrained networks of the same form as the zoo's. Needs onnx.

python tests/engines/make_graphs.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent / "graphs"
SIDE = 64
FLOAT = TensorProto.FLOAT


def _fill_nodes(half: bool) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """image = damaged outside the mask, inside it a mean of what is known within 25 samples, twice."""
    kind = np.float16 if half else np.float32
    constants = {"one": kind(1), "small": kind(1e-3)}
    nodes, given = [], {"damaged": "damaged", "mask": "mask"}
    if half:
        for name in ("damaged", "mask"):
            nodes.append(helper.make_node("Cast", [name], [f"{name}_half"], to=TensorProto.FLOAT16))
            given[name] = f"{name}_half"
    pool = {"kernel_shape": [25, 25], "strides": [1, 1], "pads": [12, 12, 12, 12], "count_include_pad": 1}
    nodes += [
        helper.make_node("Sub", ["one", given["mask"]], ["known"]),
        helper.make_node("Mul", [given["damaged"], "known"], ["seen"]),
        helper.make_node("AveragePool", ["seen"], ["seen1"], **pool),
        helper.make_node("AveragePool", ["seen1"], ["seen2"], **pool),
        helper.make_node("AveragePool", ["known"], ["known1"], **pool),
        helper.make_node("AveragePool", ["known1"], ["known2"], **pool),
        helper.make_node("Add", ["known2", "small"], ["weight"]),
        helper.make_node("Div", ["seen2", "weight"], ["mean"]),
        helper.make_node("Mul", ["mean", given["mask"]], ["inside"]),
        helper.make_node("Add", ["seen", "inside"], ["filled"]),
        helper.make_node("Cast", ["filled"], ["image"], to=FLOAT),
    ]
    return nodes, [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]


def _value(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, FLOAT, ["n", *shape])


def fill(half: bool = False) -> onnx.ModelProto:
    nodes, constants = _fill_nodes(half)
    inputs = [_value("damaged", 3, SIDE, SIDE), _value("mask", 1, SIDE, SIDE)]
    graph = helper.make_graph(nodes, "fill", inputs, [_value("image", 3, SIDE, SIDE)], constants)
    return _finish(graph)


def step() -> onnx.ModelProto:
    """The same with a state that counts its steps; the count is added to the image's hole, in hundredths."""
    nodes, constants = _fill_nodes(False)
    nodes[-1] = helper.make_node("Identity", ["filled"], ["still"])
    constants += [
        numpy_helper.from_array(np.array(0.01, np.float32), "hundredth"),
        numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
    ]
    nodes += [
        helper.make_node("Add", ["state_steps", "one"], ["next_state_steps"]),
        helper.make_node("Mul", ["state_steps", "hundredth"], ["lift"]),
        helper.make_node("Unsqueeze", ["lift", "axes"], ["lift4"]),
        helper.make_node("Mul", ["lift4", "mask"], ["lifted"]),
        helper.make_node("Add", ["still", "lifted"], ["image"]),
    ]
    inputs = [_value("damaged", 3, SIDE, SIDE), _value("mask", 1, SIDE, SIDE), _value("state_steps", 1)]
    outputs = [_value("image", 3, SIDE, SIDE), _value("next_state_steps", 1)]
    return _finish(helper.make_graph(nodes, "step", inputs, outputs, constants))


def _finish(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, made in {"fill": fill(), "fill-fp16": fill(True), "step": step()}.items():
        (FOLDER / f"{name}.onnx").write_bytes(made.SerializeToString())
