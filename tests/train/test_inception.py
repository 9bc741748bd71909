"""FID with the user's own network: any ONNX file of the right form, others refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import require

require("torch")
require("onnx")

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import helper  # noqa: E402

from train.inception import SIDE, InceptionFeatures  # noqa: E402


def pooling(path: Path, side: int = SIDE) -> Path:
    """A network whose features are the mean colours."""
    given = helper.make_tensor_value_info("pictures", onnx.TensorProto.FLOAT, ["n", 3, side, side])
    made = helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["pictures"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    graph = helper.make_graph(nodes, "pooling", [given], [made])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_features_of_every_picture(tmp_path: Path) -> None:
    images = torch.rand(11, 3, 64, 64) * 2 - 1
    found = InceptionFeatures(pooling(tmp_path / "mean.onnx"))(images)
    assert found.shape == (11, 3)
    assert np.abs(found - images.mean((2, 3)).numpy()).max() < 0.02


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="299"):
        InceptionFeatures(pooling(tmp_path / "small.onnx", 64))
