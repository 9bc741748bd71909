"""Training of the locator: examples with a truth beside them, a network that tells wrong from right."""

from __future__ import annotations

from pathlib import Path

import pytest

from concealer.bitstream import Codec
from tests.media import clip, encode_file
from train.locator.__main__ import fit, habits_of, measure, signs_of, stored
from train.locator.examples import clips, examples


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_examples_are_learnt_from(tmp_path: Path, codec: Codec) -> None:
    encode_file(tmp_path / "clip.mp4", clip(82, 176, 144, seed=5), "h264", crf=20)
    (path,) = clips([tmp_path])
    found = [one for seed in (1, 2, 3) for one in examples(path, codec, seed, [path])]
    assert len(found) > 5
    assert all(one.wrong.shape == one.known.shape == one.error.shape == (9, 11) for one in found)
    assert all((one.visible <= one.wrong).all() for one in found)
    assert any((one.visible & ~one.known).any() for one in found)
    network = fit(found, "alone")
    assert set(stored(network)) == {"mean", "spread", "layers"}
    looked = signs_of(found, network, "alone")
    assert measure(looked, habits_of(looked, codec))["recall"] > 0.5
