"""Every real file at hand through every way of the command: nothing a stock player shows gets lost in silence."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from pipelines.cli import main

WAYS = {
    "copy": ["--preset", "ultrafast"],
    "repair": ["--always-encode", "--preset", "ultrafast"],
    "splice": ["--splice"],
    "dry run": ["--dry-run"],
}
PICTURES = {
    "flv_8k_lost.flv": 150,
    "fmp4_moof_zeroed.mp4": 150,
    "h264_aac.mp4": 150,
    "h264_b_frames_pts_is_dts.mp4": 150,
    "h264_idr_one_rtp_fragment_lost.mp4": 58,
    "h264_pcm.mxf": 10,
    "h264_raw_32k_zeros.h264": 150,
    "hevc_idr_4k_zeros.mp4": 58,
    "hevc_idr_one_rtp_fragment_lost.mp4": 58,
    "samsung_sef_slow_motion.mp4": 63,
    "start_codes_inside_length_prefixed_nal.mp4": 150,
    "ts_one_bit_wrong_in_one_pat.ts": 75,
    "ts_one_pts_bit_wrong.ts": 150,
    "ts_pmt_in_two_packets.ts": 30,
    "ts_private_table_before_pmt.ts": 32,
    "ts_pts_wrap.ts": 150,
    "ts_subtitle_added.ts": 150,
    "ts_tables_from_2s_on.ts": 150,
    "ts_video_pid_changes.ts": 150,
    "ts_without_pat_pmt.ts": 35,
}
"""Of reports: what a player of the output shows, where that is known exactly."""
UNTOUCHED = {
    "h264_aac.mp4", "h264_pcm.mxf", "start_codes_inside_length_prefixed_nal.mp4", "ts_pts_wrap.ts",
    "ts_subtitle_added.ts", "ts_video_pid_changes.ts", "ts_without_pat_pmt.ts",
}  # fmt: skip
"""Reports without damage to the stream: copied, and said to be exact."""
INTERLACED = {"paff_one_packet_lost.ts", "SonyXAVC_LongGOP_green_pixelation_early_Frames.mp4"}
REFUSED = {"mov-frag-encrypted.mp4": "encrypted", "test_stream.265": "not one picture"}
KINDS = (
    "1242-small.mkv", "BA_MW_D_IDR_LOST.264", "BA_MW_D_P_LOST.264", "CVFC1_Sony_C.jsv", "Error_I_P.264",
    "FRExt2_Panasonic.avc", "H264_might_overflow.mkv", "HCAFF1_HHI.264", "HCAMFF1_HHI.264", "SVA_FM1_E.264",
    "SonyXAVC_LongGOP_green_pixelation_early_Frames.mp4", "brokensps.mp4", "displaymatrix.mp4", "empty_edit_5s.mp4",
    "frag_overlap.mp4", "girlshy.h265", "hevc_elst_ends_betn_b_and_i.mp4", "high-qp.mkv", "mixed-nal-coding.mp4",
    "mov-frag-encrypted.mp4", "ps_prefix_first_idr.mp4", "ref_10.avi", "sample_with_invalid_nalu.mp4",
    "test_res_change.h264", "test_stream.265", "white_zombie_scrunch-part.mp4",
)  # fmt: skip
"""Of the folder of damaged streams, the smallest of each kind; all of them are read in a dry run."""


@dataclass
class Played:
    """What FFmpeg alone makes of a file."""

    pictures: int = 0
    seconds: float = 0.0
    """Of sound."""


def played(path: Path) -> Played:
    found = Played()
    with contextlib.suppress(av.FFmpegError), av.open(str(path), metadata_errors="replace") as opened:
        packets = opened.demux()
        while True:
            with contextlib.suppress(av.FFmpegError):
                try:
                    packet = next(packets)
                except StopIteration:
                    return found
                except IndexError:  # a stream that appears in mid-file
                    packets = opened.demux()
                    continue
                if packet.stream.type not in ("video", "audio") or packet.stream.codec_context is None:
                    continue
                for frame in packet.decode():
                    if isinstance(frame, av.AudioFrame):
                        found.seconds += frame.samples / frame.sample_rate
                    else:
                        found.pictures += 1
    return found


def check(source: Path, way: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the command over a file and hold what it wrote and said against what FFmpeg plays."""
    suffix = source.suffix if source.suffix not in (".jsv", ".avc") else ".264"
    out = folder / f"out{suffix}"
    code = main([*WAYS[way], str(source)] + ([str(out)] if way != "dry run" else []))
    said = capsys.readouterr().err.splitlines()
    if code:
        refused = REFUSED.get(source.name, "interlaced" if source.name in INTERLACED and way == "splice" else None)
        refused = refused or ("would not be shown" if code == 4 else None)
        assert refused is not None and refused in said[-1], said
        assert list(folder.iterdir()) == []
        return
    assert source.name not in REFUSED
    if way == "dry run":
        return
    ours, stock = played(out), played(source)
    text = "\n".join(said)
    assert ours.pictures >= stock.pictures or "not shown" in text, (ours, stock, said)
    assert ours.seconds >= stock.seconds - 0.1 or "left out" in text, (ours, stock, said)
    expected = PICTURES.get(source.name)
    if expected is not None and "outside its edit list are shown" not in text:
        assert ours.pictures == expected, said
    if source.name in UNTOUCHED and way != "repair":
        assert "copied bit-exactly" in said[-1], said
    assert list(folder.iterdir()) == [out]


@pytest.mark.parametrize("way", WAYS)
def test_reports(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    for source in sorted((shared_data / "real_reports").iterdir()):
        if source.suffix != ".md":
            folder = tmp_path / source.name
            folder.mkdir()
            check(source, way, folder, capsys)


@pytest.mark.parametrize("way", WAYS)
def test_damaged_streams(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    streams = shared_data / "damaged_streams"
    names = KINDS if way != "dry run" else sorted(path.name for path in streams.iterdir() if path.suffix != ".tar")
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        check(streams / name, way, folder, capsys)
