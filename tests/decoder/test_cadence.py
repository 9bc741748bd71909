"""Content of fewer pictures a second than its stream: a lost repetition is repeated, a lost step is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipelines import EncoderSettings, Settings, conceal_file
from tests.media import Codec, clip, decode_luma, encode_file
from tests.pipelines.files import VideoPacket, rewrite_video

PICTURES = 30


def repaired(folder: Path, codec: Codec, shown: list[int], lost: int) -> tuple[str, float]:
    """(method, PSNR-Y in dB) of a lost picture of a clip in which picture n shows what is there at time shown[n]."""
    moving = clip(max(shown) + 1, 176, 144)
    whole = encode_file(folder / "whole.mkv", [moving[at] for at in shown], codec, gop=PICTURES, bframes=0)

    def without(packets: list[VideoPacket]) -> list[VideoPacket]:
        return [packet for number, packet in enumerate(packets) if number != lost]

    damaged = rewrite_video(whole, folder / "damaged.mkv", without)
    report = folder / "report.json"
    settings = Settings(
        encoder=EncoderSettings("ffv1"), output="encode", report=str(report), lookahead=0, overwrite=True
    )
    conceal_file(damaged, folder / "out.mkv", settings)
    sent, seen = decode_luma(whole), decode_luma(folder / "out.mkv")
    assert len(seen) == PICTURES
    error = float(np.mean((sent[lost].astype(float) - seen[lost]) ** 2))
    told = json.loads(report.read_text())["pictures"][lost]
    return told["method"], 10 * np.log10(255**2 / max(error, 1e-3))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_on_twos(tmp_path: Path, codec: Codec) -> None:
    shown = [number // 2 for number in range(PICTURES)]
    method, psnr = repaired(tmp_path, codec, shown, lost=17)  # shows what 16 shows
    assert method == "copy" and psnr > 40
    method, _ = repaired(tmp_path, codec, shown, lost=18)
    assert method == "motion"


def test_every_third(tmp_path: Path) -> None:
    shown = [number - (number + 1) // 3 for number in range(PICTURES)]
    assert [b - a for a, b in zip(shown, shown[1:], strict=False)][:6] == [1, 0, 1, 1, 0, 1]
    assert repaired(tmp_path, "h264", shown, lost=17)[0] == "copy"
    assert repaired(tmp_path, "h264", shown, lost=18)[0] == "motion"


def test_steady_motion(tmp_path: Path) -> None:
    assert repaired(tmp_path, "h264", list(range(PICTURES)), lost=17)[0] == "motion"
