"""Whole and damaged files that several tests read, made once a session."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from tests.media import Codec, clip, encode_bytes, encode_file
from tests.pipelines.files import damage_samples, drop_slices

SUFFIX = {"h264": ".264", "hevc": ".265"}


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures of 176x144 in 3 or more slices, with B-pictures, as `{codec}{suffix}` and `damaged-...`."""
    folder = tmp_path_factory.mktemp("media")
    pictures = clip(24)
    tall = clip(24, 176, 288)
    for codec in get_args(Codec):
        frames = pictures if codec == "h264" else tall
        for container in (".mp4", ".mkv", ".ts"):
            encode_file(folder / f"{codec}{container}", frames, codec, slices=4, bframes=2, gop=12, audio=True)
        for container in (".mp4", ".mkv"):
            damage_samples(folder / f"{codec}{container}", folder / f"damaged-{codec}{container}", {5, 14})
        stream = encode_bytes(frames, codec, slices=4, bframes=2, gop=12)
        (folder / f"{codec}{SUFFIX[codec]}").write_bytes(stream)
        (folder / f"damaged-{codec}{SUFFIX[codec]}").write_bytes(drop_slices(stream, codec, {17, 41, 70}))
    return folder
