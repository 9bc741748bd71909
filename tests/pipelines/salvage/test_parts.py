"""The parts of salvage by themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from concealer.bitstream import NalUnit, h264, parse_extradata
from pipelines.salvage import same_encoder
from pipelines.salvage.aac import AacFramer, config_of, rate_of
from pipelines.salvage.h264_sets import Guess, resized, sets_of
from pipelines.salvage.index import Sample, Track, index_of, sound_entry
from pipelines.salvage.pcm import pcm_form
from pipelines.salvage.rates import Pace, measured_rate
from pipelines.salvage.sizes import shown_size
from tests.media import clip, encode_file


def _of(nals: list[NalUnit] | tuple[NalUnit, ...]) -> dict[str, object]:
    sps = h264.parse_sps(nals[0])
    pps = h264.parse_pps(nals[1], {sps.id: sps})
    known = {**vars(sps), **{f"pps {name}": value for name, value in vars(pps).items()}}
    # The level follows from the size.
    return {name: known[name] for name in known if not name.endswith("nal") and name != "level_idc"}


@pytest.mark.parametrize("preset", ["ultrafast", "medium", "slower"])
@pytest.mark.parametrize("extra", [{}, {"cabac": 0}, {"bframes": 0, "ref": 5}, {"crf": 31, "weightp": 0}])
def test_x264_asked_again_writes_the_same_sets(tmp_path: Path, preset: str, extra: dict[str, int]) -> None:
    path = encode_file(tmp_path / "clip.mp4", clip(4, 96, 80), preset=preset, bframes=2, extra=extra)
    data = path.read_bytes()
    settings = same_encoder.settings_of(memoryview(data), 0, len(data))
    assert settings is not None
    mine = same_encoder.sets_for(settings)
    with av.open(str(path)) as opened:
        theirs = parse_extradata("h264", opened.streams.video[0].codec_context.extradata).parameter_sets
    assert _of([resized(mine[0], 6, 5, (0, 0)), mine[1]]) == _of(theirs)


def test_sets_written_say_what_was_guessed() -> None:
    guess = Guess(columns=120, rows=68, crop=(0, 8), log2_max_frame_num=7, poc_type=0, log2_max_poc_lsb=9,
                  cabac=False, weighted=True, default_references=(3, 2), init_qp=31, chroma_offset=-2)  # fmt: skip
    known = _of(sets_of(guess))
    assert known["width_mbs"] == 120 and known["height_map_units"] == 68 and known["crop"] == (0, 0, 0, 4)
    assert known["log2_max_frame_num"] == 7 and known["log2_max_poc_lsb"] == 9
    assert known["pps num_ref_idx_default"] == (3, 2) and known["pps pic_init_qp"] == 31
    assert known["pps weighted_pred"] and not known["pps cabac"]
    assert known["pps chroma_qp_index_offset"] == (-2, -2) and known["pps transform_8x8_mode"]


def test_blocks_of_aac_end_where_they_end() -> None:
    rng = np.random.default_rng(0)
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 44100, "stereo", "fltp"
    encoder.time_base = Fraction(1, 44100)
    blocks: list[bytes] = []
    for start in range(0, 40 * 1024, 1024):
        quiet = 0.0 if 10 <= start // 1024 < 20 else 0.1
        frame = av.AudioFrame.from_ndarray(rng.normal(0, quiet, (2, 1024)).astype(np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 44100, start
        blocks += [bytes(packet) for packet in encoder.encode(frame)]
    blocks += [bytes(packet) for packet in encoder.encode(None)]
    data = b"".join(blocks)
    found = list(AacFramer(config_of(44100, 2)).run(memoryview(data), 0, len(data)))
    assert [data[start:end] for start, end in found] == blocks
    assert rate_of(config_of(44100, 2)) == 44100


@pytest.mark.parametrize(("order", "kind"), [("<i2", "sowt"), (">i2", "twos")])
@pytest.mark.parametrize("channels", [1, 2])
def test_pcm_is_told_by_how_smooth_it_is(order: str, kind: str, channels: int) -> None:
    t = np.arange(24000) / 48000
    wave = np.stack([np.sin(2 * np.pi * (200 + 170 * c) * t) for c in range(channels)], axis=1)
    data = (wave * 9000).astype(order).tobytes()
    form = pcm_form([data[:8000], data[20000:28000]])
    assert form is not None and (form.kind, form.channels) == (kind, channels)
    assert pcm_form([np.random.default_rng(1).bytes(20000)]) is None


@pytest.mark.parametrize(
    ("samples", "told", "rate", "said"),
    [
        (1601.6, None, Fraction(30000, 1001), "the sound"),
        (1600.0, Fraction(30), Fraction(30), "the bitstream"),
        (1920.0, Fraction(50), Fraction(25), "the sound"),
        (48000 / 27.3, None, Fraction(273, 10), "the sound"),
    ],
)
def test_rates(samples: float, told: Fraction | None, rate: Fraction, said: str) -> None:
    assert measured_rate(Pace(samples, 1e-4), 48000, told, "the bitstream") == (rate, said)


def test_what_is_shown_is_told_by_rows_that_repeat() -> None:
    picture = np.random.default_rng(2).integers(0, 255, (1088, 1920)).astype(np.uint8)
    assert shown_size(picture) == (1920, 1088)
    picture[1080:] = picture[1079]
    assert shown_size(picture) == (1920, 1080)


def test_a_usual_size_is_told_by_its_rows_though_the_coded_one_is_usual_too() -> None:
    luma = np.random.default_rng(4).integers(0, 256, (368, 640)).astype(np.uint8)
    assert shown_size(luma) == (640, 368)
    luma[360:] = luma[359]
    assert shown_size(luma) == (640, 360)
    assert shown_size(np.full((368, 640), 16, np.uint8)) == (640, 368)


def test_an_index_is_read_as_it_was_meant(tmp_path: Path) -> None:
    media = np.arange(4096, dtype="<i2").tobytes()
    track = Track(False, sound_entry("sowt", 2, 16, 48000, b""), 48000, [Sample(0, len(media), 0, 1, count=2048)])
    path = tmp_path / "made.mov"
    path.write_bytes(index_of([track], len(media)) + media)
    with av.open(str(path)) as opened:
        sound = opened.streams.audio[0]
        assert (sound.codec_context.name, sound.codec_context.sample_rate) == ("pcm_s16le", 48000)
        assert b"".join(bytes(packet) for packet in opened.demux(sound)) == media
