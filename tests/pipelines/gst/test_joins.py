"""Streams joined in their middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from concealer.bitstream import PARAMETER_SETS, AccessUnit, StreamParser, join_annexb, nal_type
from pipelines.cli import main
from tests.media import Codec, clip, decode_luma, encode_bytes
from tests.pipelines.gst.running import Outcome, au_source, push_all, run

CODECS = get_args(Codec)
GOP, START, PICTURES = 20, 8, 50


@cache
def _encoded(codec: Codec, bframes: int, refresh: bool, open_gop: bool) -> list[AccessUnit]:
    extra: dict[str, str | int] = {"intra-refresh": 1} if refresh else {}
    extra |= {"open-gop": 1} if open_gop else {}
    frames = clip(PICTURES, 176, 144)
    data = encode_bytes(frames, codec, slices=1, bframes=bframes, gop=GOP, crf=22, extra=extra)
    parser = StreamParser(codec)
    return [*parser.push(data), *parser.flush()]


def _joined(
    codec: Codec,
    *,
    bframes: int = 0,
    refresh: bool = False,
    open_gop: bool = False,
    sets: bool = True,
    start: int = START,
) -> list[tuple[bytes, int]]:
    """(payload, position in output order) from `start` on in decoding order, with or without the parameter sets."""
    units = _encoded(codec, bframes, refresh, open_gop)
    place = {index: n for n, index in enumerate(sorted(range(len(units)), key=lambda index: units[index].order))}
    head = [nal for nal in units[0].nals if nal_type(codec, nal) in PARAMETER_SETS[codec]] if sets else []
    payloads = [join_annexb(unit.nals) for unit in units]
    payloads[start] = join_annexb([*head, *units[start].nals])
    return [(payloads[index], place[index]) for index in range(start, len(units))]


def _run(codec: Codec, units: Sequence[tuple[bytes, int]], options: str = "") -> tuple[Outcome, int]:
    """The outcome and the number of keyframe requests."""
    seen: list[str] = []
    prepare = _listener(seen)
    result = run(
        f"{au_source(codec)} ! concealdec name=dec {options} ! appsink name=out", push_all(units), prepare=prepare
    )
    assert not result.errors
    assert result.stats["keyframe-requests"] == len(seen)
    return result, len(seen)


def _listener(seen: list[str]) -> Callable[[Any], None]:
    def listen(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        def on_event(pad: Any, info: Any) -> Any:
            event = info.get_event()
            if event.type == Gst.EventType.CUSTOM_UPSTREAM and event.has_name("GstForceKeyUnit"):
                seen.append("request")
            return Gst.PadProbeReturn.OK

        pipeline.get_by_name("in").get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, on_event)

    return listen


def _corrupted(result: Outcome) -> list[int]:
    from pipelines.gst.bindings import Gst

    flags = zip(result.positions, result.buffers, strict=True)
    return [position for position, out in flags if out.flags & Gst.BufferFlags.CORRUPTED]


@pytest.mark.parametrize("codec", CODECS)
def test_in_the_middle_of_a_gop(codec: Codec) -> None:
    units = _joined(codec)
    for policy in ("conceal", "hold", "drop"):  # next to nothing is real before the IDR picture, and nothing to hold
        result, requests = _run(codec, units, f"on-damage={policy}")
        assert result.positions == list(range(GOP, PICTURES))
        assert _corrupted(result) == []
        assert requests == 1
        assert result.stats["dropped"] == GOP - START


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("open_gop", [False, True])
@pytest.mark.parametrize("start", [START, START + 1])
def test_with_b_pictures_every_access_unit_gives_one_from_the_first_of_use_on(
    codec: Codec, open_gop: bool, start: int
) -> None:
    units = _joined(codec, bframes=2, open_gop=open_gop, start=start)
    result, requests = _run(codec, units)
    assert GOP - 2 <= result.positions[0] <= GOP
    assert result.positions == list(range(result.positions[0], PICTURES))
    assert result.stats["made-up"] == 0
    assert requests == 1


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bframes", [0, 2])
def test_before_the_first_parameter_sets_nothing_is_made_up(codec: Codec, bframes: int) -> None:
    result, _ = _run(codec, _joined(codec, sets=False, bframes=bframes))
    assert result.positions == list(range(result.positions[0], PICTURES))
    assert GOP - bframes <= result.positions[0] <= GOP
    assert result.stats["made-up"] == 0
    assert _corrupted(result) == [position for position in result.positions if position < GOP]


@pytest.mark.parametrize("codec", CODECS)
def test_intra_refresh_clears_as_it_heals(codec: Codec) -> None:
    units = _joined(codec, refresh=True)
    if codec == "hevc":  # x265 announces nothing: a recovery point 20 pictures from where its refresh begins
        units[GOP - START] = b"\x00\x00\x00\x01\x4e\x01\x06\x02\x05\x04\x80" + units[GOP - START][0], GOP
    result, requests = _run(codec, units)
    assert requests == 1
    corrupted, first = _corrupted(result), result.positions[0]
    assert result.positions == list(range(first, PICTURES))
    assert corrupted == list(range(first, first + len(corrupted)))
    healed = first + len(corrupted)
    assert GOP < healed <= 2 * GOP
    whole, _ = _run(codec, _joined(codec, refresh=True, start=0))
    assert _corrupted(whole) == []
    clean = dict(zip(whole.positions, whole.buffers, strict=True))
    for position, out in zip(result.positions, result.buffers, strict=True):
        if position >= healed and codec == "h264":  # x265 does not heal wholly
            assert np.array_equal(out.luma, clean[position].luma)


def test_hevc_cra_with_leading_pictures() -> None:
    units = _encoded("hevc", 2, False, True)
    start = next(index for index, unit in enumerate(units) if index and unit.is_irap and not unit.is_idr)
    leading = sum(unit.is_rasl for unit in units[start : start + 4])
    assert leading
    result, _ = _run("hevc", _joined("hevc", bframes=2, open_gop=True, start=start))
    assert result.stats["made-up"] == 0
    assert _corrupted(result) == []
    assert len(result.buffers) == len(units) - start - leading


@pytest.mark.parametrize("policy", ["conceal", "drop"])
@pytest.mark.parametrize("codec", CODECS)
def test_the_same_in_files(tmp_path: Path, codec: Codec, policy: str) -> None:
    source, target = tmp_path / f"in.{codec}", tmp_path / "out.mkv"
    source.write_bytes(b"".join(payload for payload, _ in _joined(codec)))
    arguments = [str(source), str(target), "--input-format", codec, "--always-encode", "--preset", "ultrafast", "-q"]
    assert main([*arguments, "--on-damage", policy]) == 0
    assert len(decode_luma(target)) == PICTURES - GOP


def test_hold_shows_the_last_good_picture_after_a_restart() -> None:
    from pipelines.gst.bindings import Gst
    from pipelines.gst.loss_report import restart_event

    first = _joined("h264", start=0)[:10]
    second = [(payload, position + 10) for payload, position in _joined("h264")]

    def feed(pipeline: Any) -> None:
        push_all(first)(_WithoutEnd(pipeline))
        pad = pipeline.get_by_name("dec").get_static_pad("sink")
        while pipeline.get_by_name("dec").get_property("stats").get_value("pictures") < 10:
            pass
        pad.send_event(restart_event())
        push_all(second)(pipeline)

    result = run(f"{au_source('h264')} ! concealdec name=dec on-damage=hold ! appsink name=out", feed)
    assert not result.errors
    assert result.positions == [*range(10), *range(START + 10, PICTURES + 10)]
    held = [out for position, out in zip(result.positions, result.buffers, strict=True) if 10 <= position < GOP + 10]
    assert all(np.array_equal(out.luma, result.buffers[9].luma) for out in held)
    assert all(out.flags & Gst.BufferFlags.CORRUPTED for out in held)
    assert result.stats["held"] == len(held) == GOP - START
    assert result.stats["restarts"] == 1


class _WithoutEnd:
    """A pipeline whose appsrc is not told of the end of the stream."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def get_by_name(self, name: str) -> Any:
        return _Endless(self._pipeline.get_by_name(name))


class _Endless:
    def __init__(self, element: Any) -> None:
        self._element = element

    def emit(self, signal: str, *arguments: object) -> Any:
        return None if signal == "end-of-stream" else self._element.emit(signal, *arguments)
