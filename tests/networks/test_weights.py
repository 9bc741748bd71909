"""Weights files: round trips and bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from concealer.networks.dcgan import DcganGenerator
from concealer.networks.style_gan import StyleGenerator
from concealer.networks.weights import build, load_weights, save_weights, with_arguments


@pytest.mark.parametrize("half", [False, True])
def test_round_trip(tmp_path: Path, half: bool) -> None:
    arguments = {"resolution": 64, "z_size": 16, "capacity": 512, "most": 32}
    network = StyleGenerator(**arguments).eval()
    save_weights(network, arguments, tmp_path / "g.safetensors", half=half, note="step 7")
    again = load_weights(tmp_path / "g.safetensors")
    assert isinstance(again, StyleGenerator) and not again.training
    z = network.sample_z(2)
    assert torch.allclose(network(z), again(z), atol=1e-2 if half else 0)
    assert not list(tmp_path.glob("*.part"))


def test_half_keeps_batch_statistics(tmp_path: Path) -> None:
    network = DcganGenerator(64, width=8)
    network.layers[0].running_var.fill_(1e6)
    save_weights(network, {"width": 8}, tmp_path / "g.safetensors", half=True)
    assert load_weights(tmp_path / "g.safetensors").layers[0].running_var.max() == 1e6


def test_arguments_that_change_no_tensor_can_be_exchanged(tmp_path: Path) -> None:
    arguments = {"width": 6, "hidden": 5}
    save_weights(build("VideoPrior", arguments), arguments, tmp_path / "p.safetensors", half=True)
    with_arguments(tmp_path / "p.safetensors", tmp_path / "low.safetensors", tile=[8, 12])
    network, low = load_weights(tmp_path / "p.safetensors"), load_weights(tmp_path / "low.safetensors")
    assert low.tile == (8, 12)
    assert all(torch.equal(low.state_dict()[name], tensor) for name, tensor in network.state_dict().items())
    with pytest.raises(ValueError, match="does not fit"):
        with_arguments(tmp_path / "p.safetensors", tmp_path / "wide.safetensors", width=7)


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match="holds no weights"):
        load_weights(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="holds no weights"):
        load_weights(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="does not say which network"):
        load_weights(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"network": "LandmarkRefiner", "arguments": "{}"})
    with pytest.raises(ValueError, match="does not fit LandmarkRefiner"):
        load_weights(path)
    with pytest.raises(ValueError, match="unknown network 'os'"):
        build("os", {})
    with pytest.raises(ValueError, match="cannot be built with"):
        build("LandmarkRefiner", {"colour": 3})
