"""The product's decoder as everybody gets it, and the package's face."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import concealer
from concealer import ConcealingDecoder, DamageMap, Picture, Repairer, open_decoder
from concealer.repair import GenerativeRepair
from engines.tensors import TensorSpec
from tests.decoder.streams import PICTURES, access_units, drop_slices, stream

SIDE = 64


class Counting:
    """A recurrent network that counts the pictures it has seen; grey otherwise."""

    inputs = (
        TensorSpec("damaged", (3, SIDE, SIDE)),
        TensorSpec("mask", (1, SIDE, SIDE)),
        TensorSpec("count", (1,)),
    )
    states = {"count": "next_count"}

    def __init__(self) -> None:
        self.seen: list[float] = []

    def run(self, batch: Any) -> dict[str, Any]:
        self.seen.append(float(batch["count"].max()))
        return {"image": np.zeros_like(batch["damaged"]), "next_count": batch["count"] + 1}


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_networks_state_advances_once_per_damaged_picture(codec: Any, lookahead: int) -> None:
    """The decoder that looks ahead meets every hole as well; it must not repair with what remembers."""
    units = access_units(stream(codec), codec)
    damaged = drop_slices(units, lambda u, s: u in (5, 6, 7, 8) and s == 1)
    network = Counting()
    repairer = Repairer("generative", generative=GenerativeRepair(network))
    decoder = open_decoder(codec, repairer=repairer, lookahead=lookahead)
    pictures = [p for n, payload in enumerate(damaged.payloads) for p in decoder.decode(payload, pts=n)]
    pictures += decoder.flush()
    decoder.close()
    assert sum(p.damage.any_hole for p in pictures) == 4
    assert sorted(set(network.seen)) == [0, 1, 2, 3]
    assert network.seen == sorted(network.seen)


def test_the_product_repairs_what_it_decodes() -> None:
    units = access_units(stream("hevc"), "hevc")
    damaged = drop_slices(units, lambda u, s: u == 6 and s == 1)
    for live in (False, True):
        decoder = open_decoder("hevc", repairer=Repairer(), live=live)
        pictures = [p for n, payload in enumerate(damaged.payloads) for p in decoder.decode(payload, pts=n)]
        pictures += decoder.flush()
        decoder.close()
        assert len(pictures) == PICTURES
        (hit,) = (p for p in pictures if p.damage.any_hole)
        assert hit.outcome is not None and hit.outcome.method == "motion" and hit.in_loop


def test_the_package_offers_its_face() -> None:
    assert ConcealingDecoder is concealer.decoder.ConcealingDecoder
    assert DamageMap(32, 32).state.shape == (2, 2)
    assert Picture((np.zeros((32, 32), np.uint8),)).width == 32
    assert callable(concealer.conceal_file)
    assert set(concealer.__all__) <= set(dir(concealer))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        concealer.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_else(tmp_path: Path) -> None:
    heavy = "{'numpy', 'av', 'cv2', 'pipelines', 'openvino'}"
    code = f"import concealer, sys; print(sorted({{m.partition('.')[0] for m in sys.modules}} & {heavy}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert found.stdout.strip() == "[]"
