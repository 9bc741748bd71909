"""Files whose times are wrong, whose pictures come in a wrong order, or that lack pictures nobody refers to."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import pytest

from pipelines import EncoderSettings, Settings, UsageError, conceal_file
from pipelines.cli import main
from pipelines.jobs import OutputMode
from tests.media import Codec, clip, encode_file
from tests.pipelines.files import VideoPacket, packets_of, rewrite_video

PICTURES = 60
FAST = EncoderSettings(preset="ultrafast")
REPAIR, SPLICE, KEEP = Settings(encoder=FAST), Settings(output="splice"), Settings()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`{codec}.mp4` and `{codec}.ts`, with B-pictures that nobody refers to, and sound."""
    folder = tmp_path_factory.mktemp("whole")
    for codec in ("h264", "hevc"):
        extra: dict[str, str | int] = {"b-pyramid": "none" if codec == "h264" else 0}
        for suffix in (".mp4", ".ts"):
            path = folder / f"{codec}{suffix}"
            encode_file(path, clip(PICTURES, 176, 144), codec, bframes=2, gop=30, audio=True, extra=extra)
    return folder


def shown(path: Path) -> list[float]:
    """Times of the pictures that libavcodec shows, in pictures at 25 a second, from that of the first."""
    times = []
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        for packet in container.demux(video):
            times += [frame.time * 25 for frame in packet.decode() if frame.time is not None]
    return [round(time - times[0], 1) for time in times]


def steady(path: Path, count: int = PICTURES) -> bool:
    times = shown(path)
    return len(times) == count and all(abs(time - place) < 0.2 for place, time in enumerate(times))


def disposable(packets: list[VideoPacket]) -> list[int]:
    """Numbers of B-pictures: those that are shown before one decoded earlier."""
    return [n for n, one in enumerate(packets) if n and one.pts < max(other.pts for other in packets[:n])]


def without(numbers: list[int], packets: list[VideoPacket]) -> list[VideoPacket]:
    return [one for number, one in enumerate(packets) if number not in numbers]


def real_report(shared_data: Path, name: str) -> Path:
    path = shared_data / "real_reports" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    return path


def lose_disposable(packets: list[VideoPacket]) -> list[VideoPacket]:
    idle = disposable(packets)
    return without([idle[5], idle[12], idle[13], idle[20]], packets)


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["repair", "splice", "keep"])
@pytest.mark.parametrize("target", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_lost_pictures_that_nobody_refers_to_are_made_up(
    whole: Path, tmp_path: Path, codec: Codec, target: str, settings: Settings
) -> None:
    damaged = rewrite_video(whole / f"{codec}.mp4", tmp_path / "damaged.mp4", lose_disposable)
    out = tmp_path / f"out{target}"
    result = conceal_file(damaged, out, settings)
    assert (result.pictures, result.totals.synthesised) == (PICTURES, 4)
    assert steady(out)
    assert len(packets_of(out, "audio")) == len(packets_of(damaged, "audio"))


def lose(first: int, end: int, packets: list[VideoPacket]) -> list[VideoPacket]:
    return without(list(range(first, end)), packets)


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["repair", "splice", "keep"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_run_of_lost_access_units_is_filled(whole: Path, tmp_path: Path, codec: Codec, settings: Settings) -> None:
    damaged = rewrite_video(whole / f"{codec}.mp4", tmp_path / "damaged.mp4", partial(lose, 12, 18))
    assert conceal_file(damaged, tmp_path / "out.mp4", settings).pictures == PICTURES
    assert steady(tmp_path / "out.mp4")


@pytest.mark.parametrize("output", ["auto", "splice"])
def test_holes_are_left_where_that_is_asked_for(
    whole: Path, tmp_path: Path, output: OutputMode, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = rewrite_video(whole / "h264.mp4", tmp_path / "damaged.mp4", lose_disposable)
    result = conceal_file(damaged, tmp_path / "out.mp4", Settings(fill_gaps=0, output=output))
    assert 3 <= caplog.text.count("left as it is") <= 4
    assert (result.action, result.pictures) == ("copied", PICTURES - 4)


@pytest.mark.parametrize("freeze", [False, True])
def test_longer_holes_are_told_and_left_or_frozen(
    whole: Path, tmp_path: Path, freeze: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def outage(packets: list[VideoPacket]) -> list[VideoPacket]:
        idr = 30  # all from here on come two seconds late
        return [replace(p, pts=p.pts + 50 * (n >= idr), dts=p.dts + 50 * (n >= idr)) for n, p in enumerate(packets)]

    damaged = rewrite_video(whole / "h264.mp4", tmp_path / "damaged.mp4", outage)
    result = conceal_file(damaged, tmp_path / "out.mp4", Settings(encoder=FAST, freeze_gaps=freeze))
    assert "no pictures for 2.00 s" in caplog.text
    assert result.pictures == PICTURES + 50 * freeze
    assert result.action == ("repaired" if freeze else "copied")
    if freeze:
        assert steady(tmp_path / "out.mp4", PICTURES + 50)


def test_varying_rate_is_no_hole(whole: Path, tmp_path: Path) -> None:
    def slower(packets: list[VideoPacket]) -> list[VideoPacket]:
        """Every third picture is shown twice as long; places in output order know of no hole."""
        later = {one.pts: place + place // 3 for place, one in enumerate(sorted(packets, key=lambda one: one.pts))}
        rising = [0, 0, *sorted(later.values())]
        return [replace(one, pts=later[one.pts] + 4, dts=rising[n] + n / 1000) for n, one in enumerate(packets)]

    source = rewrite_video(whole / "h264.mp4", tmp_path / "varying.mkv", slower)
    result = conceal_file(source, tmp_path / "out.mkv")
    assert (result.action, result.pictures) == ("copied", PICTURES)


def test_a_recording_that_ends_before_the_pictures_shown_before_its_last_lacks_nothing(
    whole: Path, tmp_path: Path
) -> None:
    def cut(packets: list[VideoPacket]) -> list[VideoPacket]:
        last = max(n for n in range(40, PICTURES - 2) if n + 1 in disposable(packets) and n not in disposable(packets))
        return packets[: last + 1]

    source = rewrite_video(whole / "h264.mp4", tmp_path / "cut.mp4", cut)
    assert conceal_file(source, tmp_path / "out.mp4").action == "copied"


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["repair", "splice", "keep"])
@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_swapped_access_units_are_put_in_their_place(
    whole: Path, tmp_path: Path, suffix: str, settings: Settings
) -> None:
    def swap(packets: list[VideoPacket]) -> list[VideoPacket]:
        place = next(n for n in range(15, 25) if n not in disposable(packets))
        one, other = packets[place], packets[place + 1]
        packets[place] = replace(other, pts=one.pts, dts=one.dts)
        packets[place + 1] = replace(one, pts=other.pts, dts=other.dts)
        return packets

    source = rewrite_video(whole / f"h264{suffix}", tmp_path / f"swapped{suffix}", swap)
    out = tmp_path / f"out{suffix}"
    result = conceal_file(source, out, settings)
    assert (result.pictures, result.damaged_pictures, result.totals.misplaced) == (PICTURES, 0, 2)
    assert steady(out)


def decode_times(packets: list[VideoPacket]) -> list[VideoPacket]:
    return [replace(one, pts=n, dts=n) for n, one in enumerate(packets)]


def one_wrong(packets: list[VideoPacket]) -> list[VideoPacket]:
    wrong = packets[31]
    packets[31] = replace(wrong, pts=wrong.pts + 36)
    return packets


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["copy", "splice", "keep"])
@pytest.mark.parametrize("change", [decode_times, one_wrong])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_wrong_times_are_put_right_without_encoding(
    whole: Path, tmp_path: Path, codec: Codec, change: object, settings: Settings
) -> None:
    assert callable(change)
    source = rewrite_video(whole / f"{codec}.mp4", tmp_path / "wrong.mp4", change)
    out = tmp_path / "out.mp4"
    result = conceal_file(source, out, settings)
    assert result.action == "copied" and not result.exact
    assert result.totals.retimed == 1 or change is decode_times
    assert steady(out)
    assert packets_of(out, "video") == packets_of(source, "video")


def lead(path: Path) -> float:
    """Pictures by which the first one is decoded before it is shown."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        first = next(packet for packet in container.demux(video) if packet.size)
        assert first.pts is not None and first.dts is not None
        return round((first.pts - first.dts) * float(video.time_base or 0) * 25, 1)


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["copy", "splice", "keep"])
def test_mended_decode_times_leave_the_time_that_decoders_hold_pictures(tmp_path: Path, settings: Settings) -> None:
    """They hold two where B-pictures may be referred to, though none of these pictures needs more than one."""
    whole = encode_file(tmp_path / "whole.mp4", clip(PICTURES, 176, 144), bframes=2, gop=12)
    source = rewrite_video(whole, tmp_path / "wrong.mp4", decode_times)
    conceal_file(source, tmp_path / "out.mp4", settings)
    assert steady(tmp_path / "out.mp4")
    assert lead(tmp_path / "out.mp4") == 2


def test_wrong_times_are_put_right_where_damage_is_repaired(whole: Path, tmp_path: Path) -> None:
    def both(packets: list[VideoPacket]) -> list[VideoPacket]:
        return without([20], one_wrong(packets))

    source = rewrite_video(whole / "h264.mp4", tmp_path / "wrong.mp4", both)
    assert conceal_file(source, tmp_path / "out.mp4", REPAIR).totals.retimed == 1
    assert steady(tmp_path / "out.mp4")


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["copy", "splice", "keep"])
@pytest.mark.parametrize(("suffix", "target"), [(".mp4", ".ts"), (".mp4", ".mp4"), (".mkv", ".mkv"), (".ts", ".mp4")])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_recording_that_starts_with_an_open_gop_is_copied(
    tmp_path: Path, codec: Codec, suffix: str, target: str, settings: Settings
) -> None:
    """Its leading pictures refer to what was not recorded: they are no damage."""
    whole = encode_file(
        tmp_path / f"whole{suffix}", clip(60, 176, 144), codec, bframes=3, gop=20, extra={"open-gop": 1}
    )

    def cut(packets: list[VideoPacket]) -> list[VideoPacket]:
        start = [n for n, one in enumerate(packets) if one.key][1]
        assert packets[start + 1].pts < packets[start].pts
        return [replace(one, pts=one.pts - start + 5, dts=one.dts - start + 5) for one in packets[start:]]

    source = rewrite_video(whole, tmp_path / f"cut{suffix}", cut)
    out = tmp_path / f"out{target}"
    result = conceal_file(source, out, settings)
    assert (result.action, result.damaged_pictures, result.dropped) == ("copied", 0, [])
    assert len(packets_of(out, "video")) == len(packets_of(source, "video"))
    assert shown(out) == shown(source)


def test_options_of_holes_are_checked(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="gaps to fill"):
        conceal_file(whole / "h264.mp4", tmp_path / "out.mp4", Settings(fill_gaps=-1))
    assert main([str(whole / "h264.mp4"), str(tmp_path / "out.mp4"), "--splice", "--freeze-gaps"]) == 2
    assert "--freeze-gaps" in capsys.readouterr().err


def test_report_names_what_was_put_right(whole: Path, tmp_path: Path) -> None:
    source = rewrite_video(whole / "h264.mp4", tmp_path / "wrong.mp4", one_wrong)
    conceal_file(source, tmp_path / "out.mp4", Settings(report=str(tmp_path / "report.json")))
    totals = json.loads((tmp_path / "report.json").read_text())["totals"]
    assert totals["totals"]["retimed"] == 1 and totals["exact"] is False


@pytest.mark.parametrize("output", ["auto", "splice"])
@pytest.mark.parametrize(
    ("name", "pictures", "hole"),
    [
        ("h264_two_aus_swapped.mp4", 50, None),
        ("h264_open_gop_cut.ts", 102, (46, 49)),
        ("hevc_starts_at_cra.ts", 102, None),
        ("ts_one_pts_bit_wrong.ts", 150, None),
        ("ts_pes_header_lost.ts", 69, (67, 3)),
    ],
)
def test_real_reports_have_their_pictures_on_time(
    shared_data: Path, tmp_path: Path, name: str, pictures: int, hole: tuple[int, int] | None, output: OutputMode
) -> None:
    out = tmp_path / f"out{Path(name).suffix}"
    conceal_file(real_report(shared_data, name), out, Settings(output=output))
    times = shown(out)
    assert len(times) == pictures
    steps = [round(after - before) for before, after in zip(times, times[1:], strict=False)]
    assert {(at, step) for at, step in enumerate(steps) if step != 1} == ({hole} if hole else set())


@pytest.mark.parametrize("output", ["auto", "splice"])
def test_real_report_of_decode_times(shared_data: Path, tmp_path: Path, output: OutputMode) -> None:
    out = tmp_path / "out.mp4"
    conceal_file(real_report(shared_data, "h264_b_frames_pts_is_dts.mp4"), out, Settings(output=output))
    times = shown(out)
    assert len(times) == 150
    assert all(0.5 < after - before < 1.5 for before, after in zip(times, times[1:], strict=False))


@pytest.mark.parametrize("settings", [REPAIR, SPLICE, KEEP], ids=["conceal", "splice", "keep"])
def test_the_rate_is_not_the_average_of_what_is_left(whole: Path, tmp_path: Path, settings: Settings) -> None:
    damaged = rewrite_video(whole / "h264.mp4", tmp_path / "damaged.mp4", partial(lose, 12, 18))
    with av.open(str(damaged)) as container:
        average = container.streams.video[0].average_rate
        assert average is not None and average < 24
    for fill in (0.0, 1.0):
        out = tmp_path / f"out{fill}.mkv"
        conceal_file(damaged, out, replace(settings, fill_gaps=fill))
        with av.open(str(out)) as container:
            assert container.streams.video[0].average_rate == 25
