"""Sound of kinds that have no index to tell where its packets are: Opus by what it is like, others by their frames."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.salvage_files import broken, make, x264
from benchmarks.salvage_measure import outcome
from pipelines.salvage.opus import opus_framer, packet_samples

_SYNC = 0.0401
"""Seconds."""
_PREDICTED = {"bframes": 0, "keyint": 50}
OPUS = [
    ("stereo, 20 ms", "stereo", 0, {}),
    ("constant", "mono", 64000, {"vbr": "off"}),
    ("60 ms", "stereo", 96000, {"frame_duration": "60"}),
    ("40 ms", "mono", 48000, {"frame_duration": "40"}),
    ("10 ms", "stereo", 0, {"frame_duration": "10"}),
    ("2.5 ms", "stereo", 128000, {"frame_duration": "2.5"}),
    ("speech", "mono", 24000, {"application": "voip"}),
    ("constrained", "stereo", 32000, {"vbr": "constrained", "application": "voip"}),
]


@pytest.mark.parametrize("way", ["no moov", "holes"])
@pytest.mark.parametrize(("layout", "bits", "options"), [one[1:] for one in OPUS], ids=[one[0] for one in OPUS])
def test_opus_is_cut_into_its_packets(
    tmp_path: Path, layout: str, bits: int, options: dict[str, str], way: str
) -> None:
    kind = x264("opus", params=_PREDICTED, sound="libopus", layout=layout, sound_bits=bits, sound_options=options)
    original = make(kind, tmp_path / "whole.mp4", 5.0)
    found = outcome(original, broken(original, way, tmp_path / "broken.mp4"))
    assert found.sound > 50 and found.sound_found >= 0.95 * found.sound
    assert found.sync is not None and found.sync <= _SYNC
    assert way == "holes" or found.drift < 0.001
    assert "(Opus, 48000 Hz, " in found.told
    said = "where some packets of Opus end" in found.told
    assert not said if "vbr" in options and bits == 64000 else said or bits, "with no rate to keep sizes vary"


@pytest.mark.parametrize(
    ("encoder", "name", "suffix", "rate"),
    [
        ("libmp3lame", "MP3", ".mp4", 48000),
        ("libmp3lame", "MP3", ".mov", 44100),
        ("mp2", "MP3", ".mp4", 48000),
        ("ac3", "AC-3", ".mp4", 48000),
        ("ac3", "AC-3", ".mov", 44100),
        ("eac3", "E-AC-3", ".mp4", 32000),
    ],
)
@pytest.mark.parametrize("way", ["no moov", "holes"])
def test_frames_tell_their_length(tmp_path: Path, encoder: str, name: str, suffix: str, rate: int, way: str) -> None:
    kind = x264("framed", params=_PREDICTED, sound=encoder, sound_rate=rate)
    original = make(kind, tmp_path / f"whole{suffix}", 4.0)
    found = outcome(original, broken(original, way, tmp_path / f"broken{suffix}"))
    assert found.sound > 50 and found.sound_found >= 0.98 * found.sound
    assert found.sync is not None and found.sync <= _SYNC
    assert f"({name}, {rate} Hz, stereo)" in found.told


def test_noise_is_no_opus() -> None:
    chance = random.Random(3)
    assert opus_framer([chance.randbytes(chance.randrange(300, 900)) for _ in range(150)]) is None


@pytest.mark.parametrize(
    ("first", "second", "samples"), [(0xFC, 0, 960), (0xFF, 3, 2880), (0xE4, 0, 120), (0x18, 0, 2880), (0xFF, 7, 0)]
)
def test_a_packet_says_how_long_it_lasts(first: int, second: int, samples: int) -> None:
    assert packet_samples(first, second) == samples
