"""Every stream in shared data: no exception; conformance streams parse whole."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from concealer.bitstream import AccessUnit, StreamParser

CLEAN = (
    "BA1_FT_C.264", "BAMQ1_JVC_C.264", "BA_MW_D.264", "CI1_FT_B.264", "FREXT01_JVC_D.264",
    "FRExt1_Panasonic.avc",
    "FRExt2_Panasonic.avc", "FRExt4_Panasonic.avc", "Freh1_B.264", "Freh7_B.264", "HCAFF1_HHI.264",
    "HCAMFF1_HHI.264", "MIDR_MW_D.264", "MPS_MW_A.264", "MR1_MW_A.264", "NRF_MW_E.264", "SVA_BA2_D.264",
    "SVA_CL1_E.264", "SVA_FM1_E.264", "freh4.264", "test_res_change.h264", "test_scalinglist_jm.264",
    "girlshy.h265",
)  # fmt: skip


def access_units(path: Path) -> list[AccessUnit]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        if codec not in ("h264", "hevc"):
            return []
        framed = any(name in container.format.name for name in ("mp4", "matroska"))
        parser = StreamParser(codec, stream.codec_context.extradata, container_framed=framed)
        aus: list[AccessUnit] = []
        for packet in container.demux(stream):
            if packet.size:
                aus += parser.push(bytes(packet), pts=packet.pts, complete=True)
        return aus + parser.flush()


@pytest.mark.parametrize("name", CLEAN)
def test_clean_streams(shared_data: Path, name: str) -> None:
    path = shared_data / "damaged_streams" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    aus = access_units(path)
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        frames = sum(1 for _ in container.decode(video=0))
    assert len(aus) == frames
    assert all(piece.header is not None for au in aus for piece in au.slices)
    assert all(au.coverage.is_intact for au in aus)
    assert not any(au.missing_before for au in aus)


def test_no_stream_raises(shared_data: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "damaged_streams").iterdir()):
        try:
            aus = access_units(path)
        except (av.FFmpegError, IndexError):
            continue  # PyAV cannot open it, or it has no video: nothing reaches the parser.
        seen += bool(aus)
        assert all(au.coverage.lost.shape == (au.rows, au.cols) or au.sps is None for au in aus)
    assert seen > 40


def test_removed_reference_picture_is_found(shared_data: Path) -> None:
    path = shared_data / "damaged_streams" / "BA_MW_D_P_LOST.264"
    if not path.exists():
        pytest.skip("BA_MW_D_P_LOST.264 is not there")
    assert sum(len(au.missing_before) for au in access_units(path)) == 1


def test_a_message_before_the_second_field_does_not_shift_times(shared_data: Path) -> None:
    path = shared_data / "damaged_streams" / "mixed-nal-coding.mp4"
    if not path.exists():
        pytest.skip("mixed-nal-coding.mp4 is not there")
    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert [au.pts for au in access_units(path)] == times
