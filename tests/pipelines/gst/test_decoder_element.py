"""`concealdec` in real pipelines."""

from __future__ import annotations

import gc
import resource
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from concealer.bitstream import StreamParser, join_annexb
from concealer.bitstream.transport import RtpDepacketiser
from concealer.decoder import ConcealingDecoder
from concealer.decoder.hook import frame_planes
from concealer.repair import Repairer
from tests.engines.zoos import make_zoo
from tests.media import Codec, clip, encode_bytes, encode_file
from tests.pipelines.gst.running import (
    DEPAYLOADER,
    FPS,
    FRAME,
    all_packets,
    au_source,
    clean,
    lossy,
    psnr,
    push_all,
    rtp_source,
    run,
    stats_of,
    stream,
)

CODECS = get_args(Codec)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bframes", [0, 2])
def test_undamaged_access_units_come_out_as_the_plain_decode(codec: Codec, bframes: int) -> None:
    units = stream(codec, bframes)
    result = run(f"{au_source(codec)} ! concealdec name=dec ! appsink name=out", push_all(units))
    assert not result.errors
    assert result.positions == list(range(len(units)))
    assert all(out.pts == position * FRAME for position, out in enumerate(result.buffers))
    for out, want in zip(result.buffers, clean(codec, bframes), strict=True):
        assert np.array_equal(out.luma, want)
    assert result.stats["pictures"] == len(units)
    assert result.stats["damaged"] == 0
    assert "concealer-stats" in result.messages


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bframes", [0, 2])
def test_probe_tells_the_decoder_what_the_depayloader_dropped(
    codec: Codec, bframes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Live, a network is used from when it is ready, which no two runs agree about.
    make_zoo(tmp_path)
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path))
    sendings = lossy(codec, bframes)
    packets = [(packet, sending.position) for sending in sendings for packet in sending.packets]
    middle = (
        f"conceallossprobe ! {DEPAYLOADER[codec]} ! concealdec name=dec deadline-ms=0 max-threads=1 ! appsink name=out"
    )
    result = run(f"{rtp_source(codec)} ! {middle}", push_all(packets))
    assert not result.errors
    assert result.positions == list(range(len(sendings)))
    assert result.stats["packets-lost"] == sum(sending.lost for sending in sendings)
    assert result.stats["repaired"] > 0
    expected = _offline(codec, packets)
    if codec == "h264":
        for out, want in zip(result.buffers, expected, strict=True):
            assert np.array_equal(out.luma, want)
    else:  # behind a cut slice the HEVC decoder's output varies a little from run to run
        ours = [psnr(out.luma, want) for out, want in zip(result.buffers, clean(codec, bframes), strict=True)]
        theirs = [psnr(got, want) for got, want in zip(expected, clean(codec, bframes), strict=True)]
        assert np.mean(ours) > np.mean(theirs) - 1.5


def _offline(codec: Codec, packets: list[tuple[bytes, int]]) -> list[np.ndarray]:
    """What the library makes of the same packets without GStreamer, in output order."""
    depacketiser = RtpDepacketiser(codec)
    units = [unit for packet, _ in packets for unit in depacketiser.push(packet)] + depacketiser.flush()
    decoder = ConcealingDecoder(codec, repair=Repairer())
    pictures = []
    for unit in units:
        pictures += decoder.decode(unit.payload, pts=unit.timestamp, gaps=unit.gaps, complete=True)
    pictures += decoder.flush()
    planes = [frame_planes(picture.frame) for picture in pictures]
    copies = [shown[0].copy() for shown in planes if shown is not None]
    decoder.close()
    return copies


@pytest.mark.parametrize("codec", CODECS)
def test_access_units_lost_whole_are_made_up_in_their_place(codec: Codec) -> None:
    packets = [(packet, position) for packet, position in all_packets(codec) if position not in (12, 20, 21)]
    middle = f"conceallossprobe ! {DEPAYLOADER[codec]} ! concealdec name=dec ! appsink name=out"
    result = run(f"{rtp_source(codec)} ! {middle}", push_all(packets))
    assert result.positions == list(range(30))
    assert result.stats["damaged"] == 3


def test_regions_and_flags_name_the_repaired_blocks() -> None:
    sendings = lossy("h264")
    packets = [(packet, sending.position) for sending in sendings for packet in sending.packets]
    middle = "conceallossprobe ! rtph264depay ! concealdec name=dec mark-corrupted=damaged ! appsink name=out"
    result = run(f"{rtp_source('h264')} ! {middle}", push_all(packets))
    from pipelines.gst.bindings import Gst

    damaged = [out for out in result.buffers if out.regions]
    assert len(damaged) == result.stats["damaged"] > 0
    for out in result.buffers:
        assert bool(out.flags & Gst.BufferFlags.CORRUPTED) == bool(out.regions)
        for name, x, y, width, height in out.regions:
            assert name == "concealer/repaired"
            assert x % 16 == y % 16 == 0
            assert 0 < width <= 352 - x
            assert 0 < height <= 288 - y
    quiet = middle.replace("mark-corrupted=damaged", "mark-corrupted=unrepaired regions=false")
    result = run(f"{rtp_source('h264')} ! {quiet}", push_all(packets))
    assert not any(out.flags & Gst.BufferFlags.CORRUPTED or out.regions for out in result.buffers)


def test_overlay_draws_into_the_output_only() -> None:
    sendings = lossy("h264")
    packets = [(packet, sending.position) for sending in sendings for packet in sending.packets]
    outputs = []
    for overlay in ("false", "true"):
        middle = (
            f"conceallossprobe ! rtph264depay ! concealdec name=dec overlay={overlay} deadline-ms=0 ! appsink name=out"
        )
        outputs.append(run(f"{rtp_source('h264')} ! {middle}", push_all(packets)).buffers)
    plain, drawn = outputs
    for a, b in zip(plain, drawn, strict=True):
        assert np.array_equal(a.luma, b.luma) == (not a.regions)


@pytest.mark.parametrize(("codec", "suffix", "demux"), [("h264", ".mp4", "qtdemux"), ("hevc", ".mkv", "matroskademux")])
def test_container_samples_and_seeking(tmp_path: Path, codec: Codec, suffix: str, demux: str) -> None:
    from pipelines.gst.bindings import Gst

    path = encode_file(tmp_path / f"clip{suffix}", clip(50), codec, slices=1, bframes=2, gop=10)
    pipeline = Gst.parse_launch(
        f"filesrc location={path} ! {demux} ! concealdec name=dec ! appsink name=out sync=false"
    )
    out = pipeline.get_by_name("out")
    pipeline.set_state(Gst.State.PAUSED)
    assert pipeline.get_state(5 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS
    pipeline.set_state(Gst.State.PLAYING)
    times = _pull_times(out)
    assert len(times) == 50
    assert times == sorted(times)
    flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE
    assert pipeline.seek(1.0, Gst.Format.TIME, flags, Gst.SeekType.SET, 30 * FRAME, Gst.SeekType.SET, 40 * FRAME)
    again = _pull_times(out)
    start = times[0]
    assert [round((time - start) / FRAME) for time in again] == [time for time in range(30, 40)]
    assert not pipeline.seek(-1.0, Gst.Format.TIME, flags, Gst.SeekType.SET, 0, Gst.SeekType.SET, 40 * FRAME)
    assert stats_of(pipeline.get_by_name("dec"))["damaged"] == 0
    pipeline.set_state(Gst.State.NULL)


def _pull_times(out: object) -> list[int]:
    times = []
    while (sample := out.emit("try-pull-sample", 5_000_000_000)) is not None:  # type: ignore[attr-defined]
        times.append(sample.get_buffer().pts)
    return times


def test_caps_change_and_picture_size_change() -> None:
    from pipelines.gst.bindings import Gst

    small = [encode_bytes(clip(5), "h264", slices=2), encode_bytes(clip(5, 352, 288), "hevc", slices=2)]

    def feed(pipeline: object) -> None:
        source = pipeline.get_by_name("in")  # type: ignore[attr-defined]
        position = 0
        for codec, data in zip(("h264", "hevc"), small, strict=True):
            source.set_property("caps", Gst.Caps.from_string(au_source(codec).split("caps=")[1]))
            parser = StreamParser(codec)
            for unit in [*parser.push(data), *parser.flush()]:
                buffer = Gst.Buffer.new_wrapped(join_annexb(unit.nals))
                buffer.pts = position * FRAME
                position += 1
                source.emit("push-buffer", buffer)
        source.emit("end-of-stream")

    result = run("appsrc name=in format=time ! concealdec name=dec ! appsink name=out", feed)
    assert not result.errors
    assert [out.luma.shape for out in result.buffers] == [(144, 176)] * 5 + [(288, 352)] * 5
    assert result.positions == list(range(10))


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "expected"),
    [
        ("h264", "yuv422p", "Y42B"),
        ("h264", "yuv420p10le", "I420_10LE"),
        ("hevc", "yuv444p", "Y444"),
        ("hevc", "gray", "GRAY8"),
    ],
)
def test_output_has_the_streams_own_format(codec: Codec, pix_fmt: str, expected: str) -> None:
    parser = StreamParser(codec)
    data = encode_bytes(clip(3), codec, pix_fmt=pix_fmt)
    units = [*parser.push(data), *parser.flush()]
    payloads = [(join_annexb(unit.nals), n) for n, unit in enumerate(units)]
    result = run(f"{au_source(codec)} ! concealdec name=dec ! appsink name=out", push_all(payloads))
    assert not result.errors
    assert len(result.buffers) == 3
    assert f"format=(string){expected}," in result.buffers[0].caps


def test_flush_forgets_the_stream_before() -> None:
    from pipelines.gst.bindings import Gst

    units = stream("h264")

    def feed(pipeline: object) -> None:
        source, out = pipeline.get_by_name("in"), pipeline.get_by_name("out")  # type: ignore[attr-defined]
        push_all(units[:10])(_WithoutEnd(pipeline))
        while out.get_property("last-sample") is None:
            time.sleep(0.01)
        # A sink that is flushed before the pipeline plays waits for ever for it to do so.
        assert pipeline.get_state(10 * Gst.SECOND)[0] == Gst.StateChangeReturn.SUCCESS  # type: ignore[attr-defined]
        source.send_event(Gst.Event.new_flush_start())
        source.send_event(Gst.Event.new_flush_stop(True))
        push_all(units)(pipeline)

    result = run(f"{au_source('h264')} ! concealdec name=dec ! appsink name=out", feed)
    assert not result.errors
    assert result.positions[-len(units) :] == list(range(len(units)))
    for out, want in zip(result.buffers[-len(units) :], clean("h264"), strict=True):
        assert np.array_equal(out.luma, want)


class _WithoutEnd:
    """A pipeline whose appsrc swallows the end of the stream."""

    def __init__(self, pipeline: object) -> None:
        self._pipeline = pipeline

    def get_by_name(self, name: str) -> object:
        element = self._pipeline.get_by_name(name)  # type: ignore[attr-defined]
        return _Endless(element)


class _Endless:
    def __init__(self, element: object) -> None:
        self._element = element

    def emit(self, signal: str, *arguments: object) -> object:
        if signal == "end-of-stream":
            return None
        return self._element.emit(signal, *arguments)  # type: ignore[attr-defined]


def test_keyframe_is_requested_upstream() -> None:
    from pipelines.gst.bindings import Gst

    seen: list[bool] = []

    def listen(pipeline: object) -> None:
        def on_event(pad: object, info: object) -> object:
            event = info.get_event()  # type: ignore[attr-defined]
            if event.type == Gst.EventType.CUSTOM_UPSTREAM and event.has_name("GstForceKeyUnit"):
                seen.append(event.get_structure().get_value("all-headers"))
            return Gst.PadProbeReturn.OK

        pad = pipeline.get_by_name("in").get_static_pad("src")  # type: ignore[attr-defined]
        pad.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, on_event)

    def asked(gone: tuple[int, ...], options: str = "") -> int:
        packets = [(packet, position) for packet, position in all_packets("h264") if position not in gone]
        middle = f"conceallossprobe ! rtph264depay ! concealdec name=dec {options} ! appsink name=out"
        result = run(f"{rtp_source('h264')} ! {middle}", push_all(packets), prepare=listen)
        assert result.stats["keyframe-requests"] == len(seen)
        assert all(seen)
        count = len(seen)
        seen.clear()
        return count

    assert asked((12,)) == 0  # carried on well enough
    assert asked((12, 13, 14)) == 1
    assert asked((12, 13, 14, 20, 21, 22), "min-force-key-unit-interval=0") == 1  # one is on its way
    assert asked((12, 13, 14), "automatic-request-sync-points=false") == 0
    assert asked((12, 13, 14), "keyframe-request-share=0") == 0


def test_latency_is_answered_with_reordering_and_deadline() -> None:
    from pipelines.gst.bindings import Gst

    answers = {}

    def ask_later(pipeline: object) -> None:
        def on_buffer(pad: object, info: object) -> object:
            query = Gst.Query.new_latency()
            pad.get_parent_element().get_static_pad("src").query(query)  # type: ignore[attr-defined]
            answers["own"] = query.parse_latency()[1]
            return Gst.PadProbeReturn.OK

        pad = pipeline.get_by_name("dec").get_static_pad("src")  # type: ignore[attr-defined]
        pad.add_probe(Gst.PadProbeType.BUFFER, on_buffer)

    for bframes in (0, 2):
        description = f"{au_source('h264')} ! concealdec name=dec deadline-ms=100 ! appsink name=out"
        run(description, push_all(stream("h264", bframes)), prepare=ask_later)
        frames = (answers["own"] - 100_000_000) / (Gst.SECOND / FPS)
        assert frames == (0 if bframes == 0 else pytest.approx(2, abs=1.01))


def test_nonsense_caps_are_an_error_on_the_bus() -> None:
    caps = "video/x-h264,stream-format=avc,alignment=au"
    description = f"appsrc name=in format=time caps={caps} ! concealdec name=dec ! appsink name=out"
    result = run(description, push_all([(b"\x00\x00\x00\x05hello", 0)]))
    assert any("codec_data" in error for error in result.errors)


def test_garbage_does_not_stop_the_stream() -> None:
    rng = np.random.default_rng(1)
    units = [*stream("h264")]
    for place in (4, 9, 17):
        units[place] = rng.bytes(3000), units[place][1]
    result = run(f"{au_source('h264')} ! concealdec name=dec ! appsink name=out", push_all(units))
    assert not result.errors
    assert result.positions == list(range(30))


def test_a_hundred_starts_and_stops_leave_nothing_behind() -> None:
    from pipelines.gst.bindings import Gst

    units = stream("h264")[:3]
    pipeline = Gst.parse_launch(f"{au_source('h264')} ! concealdec name=dec ! appsink name=out sync=false")
    out, gone = pipeline.get_by_name("out"), []
    pipeline.get_by_name("dec").weak_ref(lambda: gone.append(True))
    peaks = []
    for turn in range(100):
        pipeline.set_state(Gst.State.PLAYING)
        push_all(units)(pipeline)
        assert len(_pull_times(out)) == 3
        assert pipeline.set_state(Gst.State.NULL) == Gst.StateChangeReturn.SUCCESS
        if turn % 10 == 9:
            gc.collect()
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[3] < 12_000  # kB
    del pipeline, out
    gc.collect()
    assert gone == [True]


def test_two_elements_in_one_process() -> None:
    one, two = (f"{au_source(codec).replace('name=in', f'name=in{codec}')} ! concealdec" for codec in CODECS)
    description = f"{one} name=dec ! appsink name=out  {two} ! fakesink name=other sync=false"

    def feed(pipeline: object) -> None:
        push_all(stream("hevc"), "inhevc")(pipeline)
        push_all(stream("h264"), "inh264")(pipeline)

    result = run(description, feed)
    assert not result.errors
    for out, want in zip(result.buffers, clean("h264"), strict=True):
        assert np.array_equal(out.luma, want)


def test_a_network_repairs_where_the_method_asks_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pipelines.generative import open_shared

    make_zoo(tmp_path / "zoo", "fill")
    monkeypatch.setenv("CONCEALER_ZOO", str(tmp_path / "zoo"))
    open_shared.cache_clear()
    open_shared("openvino", "auto")  # compiled: else the few pictures of this stream may be over before it is
    packets = [(packet, sending.position) for sending in lossy("h264", 2) for packet in sending.packets]
    decoder = "conceallossprobe ! rtph264depay ! concealdec name=dec method=generative engine=openvino deadline-ms=0"
    result = run(f"{rtp_source('h264')} ! {decoder} ! appsink name=out", push_all(packets))
    open_shared.cache_clear()
    assert not result.errors
    assert result.positions == list(range(len(lossy("h264", 2))))
    assert "generative:" in result.stats["methods"]


def test_unknown_engines_leave_the_property_as_it_was() -> None:
    from pipelines.gst.decoder_element import ConcealDec

    element = ConcealDec()
    element.set_property("engine", "onnxruntime")
    element.set_property("engine", "steam")
    assert element.get_property("engine") == "onnxruntime"
