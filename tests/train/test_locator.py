"""Training of the locator: examples with a truth beside them, a network that tells wrong from right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from concealer.bitstream import Codec
from concealer.decoder.locating import begun_by
from concealer.decoder.locating.locator import read_network
from tests.media import clip, encode_file
from train.locator.__main__ import measure
from train.locator.examples import clips, examples
from train.locator.network import fit, seen_of, stored


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_examples_are_learnt_from(tmp_path: Path, codec: Codec) -> None:
    encode_file(tmp_path / "clip.mp4", clip(82, 176, 144, seed=5), "h264", crf=20)
    (path,) = clips([tmp_path])
    found = [one for seed in (1, 2, 3) for one in examples(path, codec, seed, [path])]
    assert len(found) > 5
    assert all(one.wrong.shape == one.known.shape == one.error.shape == (9, 11) for one in found)
    assert all((one.visible <= one.wrong).all() for one in found)
    assert any((one.visible & ~one.known).any() for one in found)
    network = fit(found, "alone", rounds=6)
    layers = {"own", "around", "whole", "answer"}
    assert set(stored(network)) == layers | {"mean", "spread", "weighing"}
    assert measure(found, network, "alone")["recall"] > 0.5


def test_what_is_trained_is_what_runs(tmp_path: Path) -> None:
    """The network in NumPy says what the one in training said, and tells of the same places."""
    encode_file(tmp_path / "clip.mp4", clip(82, 176, 144, seed=6), "h264", crf=20)
    (path,) = clips([tmp_path])
    found = list(examples(path, "hevc", 1))
    network = fit(found, "alone", rounds=2)
    (tmp_path / "hevc.json").write_text(json.dumps({"alone": stored(network)}))
    runs = read_network(tmp_path / "hevc.json", "alone")
    for one in found:
        seen = seen_of(one, "alone")
        said = runs(seen.figures.numpy())
        with torch.no_grad():
            assert np.allclose(said, network(seen.figures).numpy(), atol=1e-2)
            belief = network.belief(seen).numpy()
        if not seen.end:
            continue
        sums, blocks = (
            np.bincount(seen.unit_of.numpy().ravel(), values.ravel(), seen.units)[: seen.end].astype(np.float32)
            for values in (said, np.ones_like(said))
        )
        begun = begun_by(sums, blocks, said.size, runs.weighing, noticed=seen.noticed)
        whole = np.concatenate([begun, np.ones(seen.units - seen.end, np.float32)])
        assert np.allclose(whole[seen.unit_of.numpy()], belief, atol=1e-2)
