"""Every real file at hand through every way of the command: nothing a stock player shows gets lost in silence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
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
    "h264_open_gop_cut.ts": 102,
    "h264_pcm.mxf": 10,
    "h264_raw_32k_zeros.h264": 150,
    "h264_two_aus_swapped.mp4": 50,
    "hevc_idr_4k_zeros.mp4": 58,
    "hevc_idr_one_rtp_fragment_lost.mp4": 58,
    "hevc_starts_at_cra.ts": 102,
    "ir_join_loss.ts": 80,
    "paff_one_packet_lost.ts": 122,
    "samsung_sef_slow_motion.mp4": 63,
    "start_codes_inside_length_prefixed_nal.mp4": 150,
    "ts_one_bit_wrong_in_one_pat.ts": 75,
    "ts_one_pts_bit_wrong.ts": 150,
    "ts_pes_header_lost.ts": 69,
    "ts_pmt_in_two_packets.ts": 30,
    "ts_private_table_before_pmt.ts": 32,
    "ts_pts_wrap.ts": 150,
    "ts_subtitle_added.ts": 150,
    "ts_tables_from_2s_on.ts": 150,
    "ts_video_pid_changes.ts": 150,
    "ts_without_pat_pmt.ts": 35,
}
"""Of reports: what a player of the output shows."""
PLAYED = {
    ("fmp4_moof_zeroed.mp4", "splice"): (125, "left as it is"),
    ("ir_join_loss.ts", "splice"): (76, "24 predicted from what lies before"),
    ("samsung_sef_slow_motion.mp4", "splice"): (64, "1 pictures outside its edit list are shown"),
}
"""Reports and ways with another count, and what is said of it. In splicing nothing is written right before an IDR
picture; decoders that join an intra refresh show nothing before it is complete."""
UNTOUCHED = {
    "h264_aac.mp4", "h264_open_gop_cut.ts", "h264_pcm.mxf", "hevc_starts_at_cra.ts",
    "start_codes_inside_length_prefixed_nal.mp4", "ts_pts_wrap.ts",
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
    if source.name in PICTURES:
        expected, word = PLAYED.get((source.name, way), (PICTURES[source.name], ""))
        assert ours.pictures == expected and word in text, (ours, said)
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


Timed = dict[int, npt.NDArray[np.int16]]
"""Pictures by when they are shown, counted at 25 a second."""
SCHOOLGIRLS, FOREMAN = "davis_schoolgirls_240p.mp4", "foreman_cif_intra.264"


def timed(path: Path, made_up: tuple[int, int] = (0, 0)) -> Timed:
    """made_up: (number, count) of the picture before which a stream without times lost pictures, and of those."""
    found: Timed = {}
    with av.open(str(path)) as opened:
        packets = opened.demux(video=0)
        counted = opened.format.name == "h264"
        for packet in packets:
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    number = len(found) if counted else None if frame.time is None else round(frame.time * 25)
                    if number is not None:
                        number += made_up[1] if counted and number >= made_up[0] else 0
                        found[number] = frame.to_ndarray().astype(np.int16)
    return found


def psnr(pictures: Timed, clean: list[npt.NDArray[np.int16]], places: dict[int, int], numbers: Iterable[int]) -> float:
    """Of all samples of pictures together, in dB. places: in the clean clip, by number."""
    errors = [float(np.mean((pictures[number] - clean[places[number]]) ** 2.0)) for number in numbers]
    return float(10 * np.log10(255**2 / np.mean(errors)))


@pytest.mark.parametrize(
    ("name", "clip", "first", "gain"),
    [
        ("h264_idr_one_rtp_fragment_lost.mp4", SCHOOLGIRLS, 0, 1.0),
        ("h264_raw_32k_zeros.h264", SCHOOLGIRLS, 0, 1.0),
        ("hevc_idr_one_rtp_fragment_lost.mp4", SCHOOLGIRLS, 0, 1.0),
        ("hevc_idr_4k_zeros.mp4", SCHOOLGIRLS, 0, 1.0),
        ("ir_join_loss.ts", SCHOOLGIRLS, 70, 0.5),
        ("paff_one_packet_lost.ts", FOREMAN, 0, 0.0),
    ],
)
def test_reports_are_better_than_stock(
    shared_data: Path, tmp_path: Path, name: str, clip: str, first: int, gain: float
) -> None:
    """first: place in the clean clip of the first picture that is shown; gain: dB."""
    source, out = shared_data / "real_reports" / name, tmp_path / "out.mkv"
    assert main(["-q", "--encoder", "ffv1", str(source), str(out)]) == 0
    ours = timed(out)
    start = min(ours)
    # Stock shows nothing in place of the 14 pictures that it lost.
    stock = timed(source, (64, 14))
    with av.open(str(shared_data / "eval_video" / clip)) as opened:
        clean = [frame.to_ndarray().astype(np.int16) for frame in opened.decode(video=0)]
    repeats = clip == SCHOOLGIRLS  # at 24 pictures a second, over and over
    places = {n: round((n - start + first) * 24 / 25) % len(clean) if repeats else n - start + first for n in ours}
    both = ours.keys() & stock.keys()
    assert len(both) >= len(stock) - 1
    assert psnr(ours, clean, places, both) > psnr(stock, clean, places, both) + gain
    if name == "hevc_idr_one_rtp_fragment_lost.mp4":
        assert psnr(ours, clean, places, range(50, 58)) > 28


@pytest.mark.parametrize("way", WAYS)
def test_damaged_streams(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    streams = shared_data / "damaged_streams"
    names = KINDS if way != "dry run" else sorted(path.name for path in streams.iterdir() if path.suffix != ".tar")
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        check(streams / name, way, folder, capsys)
