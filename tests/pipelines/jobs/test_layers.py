"""HEVC with a second layer (stereo, scalable): the base layer is repaired, the others pass where nothing is encoded."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from concealer.bitstream import (
    NalUnit,
    join_annexb,
    join_length_prefixed,
    nal_type,
    split_annexb,
    split_length_prefixed,
)
from pipelines.cli import main
from tests.media import clip, encode_bytes, encode_file
from tests.pipelines.files import VideoPacket, packets_of, picture_times, rewrite_video

PICTURES = 36
WAYS = {"repair": ["--preset", "ultrafast"], "splice": ["--splice"]}


def in_layer_1(nal: NalUnit) -> NalUnit:
    """A stand-in for a second layer: the same unit with nuh_layer_id 1."""
    return NalUnit(bytes((nal.data[0], nal.data[1] | 1 << 3)) + nal.data[2:])


def layered(nals: list[NalUnit]) -> list[NalUnit]:
    """An access unit with all its slices a second time, behind the first."""
    slices = [nal for nal in nals if nal_type("hevc", nal) < 32]
    return [*nals, *map(in_layer_1, slices)]


def layer(nal: NalUnit) -> int:
    return (nal.data[0] & 1) << 5 | nal.data[1] >> 3


def units(path: Path, number: int) -> list[NalUnit]:
    """Of a file's slices those of one layer."""
    split = [split_length_prefixed(packet, 4)[0] for packet in packets_of(path, "video")]
    return [nal for nals in split for nal in nals if nal_type("hevc", nal) < 32 and layer(nal) == number]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layers")
    encode_file(folder / "base.mp4", clip(PICTURES, 176, 288), "hevc", slices=4, bframes=2, gop=12, audio=True)

    def add(packets: list[VideoPacket]) -> list[VideoPacket]:
        made = []
        for one in packets:
            data = join_length_prefixed(layered(split_length_prefixed(one.data, 4)[0]), 4)
            made.append(VideoPacket(data, one.pts, one.dts, one.key))
        return made

    return rewrite_video(folder / "base.mp4", folder / "layers.mp4", add)


def damaged(whole: Path, target: Path) -> Path:
    """Without a slice of the base layer here and there."""

    def lose(packets: list[VideoPacket]) -> list[VideoPacket]:
        made = []
        for number, one in enumerate(packets):
            nals = split_length_prefixed(one.data, 4)[0]
            own = [nal for nal in nals if nal_type("hevc", nal) < 32 and layer(nal) == 0]
            kept = [nal for nal in nals if number not in (5, 20) or nal is not own[1]]
            made.append(VideoPacket(join_length_prefixed(kept, 4), one.pts, one.dts, one.key))
        return made

    return rewrite_video(whole, target, lose)


@pytest.mark.parametrize("way", WAYS)
def test_undamaged_layers_are_copied(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    out = tmp_path / "out.mp4"
    assert main([*WAYS[way], str(whole), str(out)]) == 0
    assert packets_of(out, "video") == packets_of(whole, "video")
    assert "copied bit-exactly" in capsys.readouterr().err


@pytest.mark.parametrize("way", WAYS)
def test_the_base_layer_is_repaired(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    source, out = damaged(whole, tmp_path / "damaged.mp4"), tmp_path / "out.mp4"
    assert main([*WAYS[way], str(source), str(out)]) == 0
    said = capsys.readouterr().err
    assert f"2 of {PICTURES} pictures repaired" in said
    assert len(picture_times(out)) == PICTURES
    if way == "splice":
        assert [nal.data for nal in units(out, 1)] == [nal.data for nal in units(source, 1)]
    else:
        assert not units(out, 1)
        assert "layers above the base layer (stereo, scalable) are left out" in said
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == PICTURES


@pytest.mark.parametrize("way", WAYS)
def test_layers_in_a_byte_stream(tmp_path: Path, way: str) -> None:
    nals = split_annexb(encode_bytes(clip(12, 176, 288), "hevc", slices=4, gop=12))
    made = []
    for place, nal in enumerate(nals):
        made.append(nal)
        ends = place + 1 == len(nals) or nal_type("hevc", nals[place + 1]) > 31 or nals[place + 1].data[2] & 0x80
        if nal_type("hevc", nal) < 32 and ends:
            made.append(in_layer_1(nal))
    source, out = tmp_path / "in.265", tmp_path / "out.265"
    slices = [nal for nal in made if nal_type("hevc", nal) < 32 and not layer(nal)]
    source.write_bytes(join_annexb(nal for nal in made if nal is not slices[14]))
    assert main([*WAYS[way], str(source), str(out)]) == 0
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
