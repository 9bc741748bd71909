"""Portrait and landscape in turns: pictures keep their shape."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from pipelines import EncoderSettings, Settings, conceal_file
from tests.media import clip, decode_luma, encode_bytes

FAST = EncoderSettings(preset="ultrafast")


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_keep_their_shape(tmp_path: Path, caplog: pytest.LogCaptureFixture, codec: str) -> None:
    frames = {"wide": clip(4, 256, 144), "tall": clip(4, 144, 256)}
    streams = {name: encode_bytes(some, codec) for name, some in frames.items()}  # type: ignore[arg-type]
    source, out = tmp_path / f"in.{codec}", tmp_path / "out.mkv"
    source.write_bytes(streams["wide"] + streams["tall"] + streams["wide"] + streams["tall"])
    with caplog.at_level(logging.WARNING):
        result = conceal_file(source, out, Settings(encoder=FAST, always_encode=True))
    assert result.pictures == 16
    shown = decode_luma(out)
    assert {plane.shape for plane in shown} == {(144, 256)}
    for number in (4, 7, 12, 15):
        picture = shown[number]
        assert picture[:, :84].max() < 24 and picture[:, -84:].max() < 24
        whole = decode_luma(streams["tall"], codec)[number % 4]  # type: ignore[arg-type]
        rows, columns = np.arange(8, 136) * 256 // 144, np.arange(4, 76) * 144 // 80
        small, ours = whole[np.ix_(rows, columns)].astype(int), picture[8:136, 92:164].astype(int)
        assert np.corrcoef(small.ravel(), ours.ravel())[0, 1] > 0.7
    assert sum("in its own shape" in record.message for record in caplog.records) == 1
