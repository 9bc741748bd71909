"""What GStreamer's own tests of its decoder base class hold a decoder to (tests/check/libs/videodecoder.c)."""

from __future__ import annotations

import gc
import socket
import urllib.request
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from concealer.bitstream import AccessUnit, join_annexb
from tests.decoder.interlaced_streams import mbaff, paff
from tests.media import Codec
from tests.pipelines.gst.pads import Pads
from tests.pipelines.gst.running import FPS, FRAME, clean, stream

CODECS = get_args(Codec)
SECOND = 1_000_000_000


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bframes", [0, 2])
def test_playback(codec: Codec, bframes: int) -> None:
    from pipelines.gst.bindings import Gst

    with Pads(codec) as pads:
        pads.start()
        for payload, position in stream(codec, bframes):
            assert pads.push(payload, position) == Gst.FlowReturn.OK
        pads.end()
        assert pads.names[:4] == ["stream-start", "caps", "segment", "buffer"]
        assert pads.names[-1] == "eos"
        assert pads.positions == list(range(30))
        assert all(buffer.duration == FRAME for buffer in pads.buffers)
        assert not pads.errors


@pytest.mark.parametrize("codec", CODECS)
def test_flush(codec: Codec) -> None:
    from pipelines.gst.bindings import Gst

    units = stream(codec, 2)
    with Pads(codec) as pads:
        pads.start()
        for payload, position in units[:10]:
            pads.push(payload, position)
        pads.source.push_event(Gst.Event.new_flush_start())
        pads.source.push_event(Gst.Event.new_flush_stop(True))
        pads.out.clear()
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        pads.source.push_event(Gst.Event.new_segment(segment))
        for payload, position in units:
            pads.push(payload, position)
        pads.end()
        assert [name for name in pads.names if name != "buffer"] == ["segment", "eos"]
        assert pads.positions == list(range(30))
        assert pads.buffers[0].has_flags(Gst.BufferFlags.DISCONT)


def test_a_gap_first_gives_caps_segment_and_the_gap() -> None:
    from pipelines.gst.bindings import Gst

    with Pads("h264") as pads:
        pads.start("video/x-h264,stream-format=byte-stream,alignment=au,width=352,height=288")
        pads.source.push_event(Gst.Event.new_gap(0, SECOND // 2))
        assert pads.names == ["stream-start", "caps", "segment", "gap"]
        structure = pads.out[1][1].parse_caps().get_structure(0)
        assert (structure.get_int("width")[1], structure.get_int("height")[1]) == (352, 288)
        for payload, position in stream("h264"):
            pads.push(payload, position + 13)
        pads.end()
        assert pads.positions == list(range(13, 43))
        assert pads.stats["damaged"] == 0


def test_a_gap_in_the_middle_is_filled_or_passed_on_in_its_place() -> None:
    from pipelines.gst.bindings import Gst

    units = stream("h264")
    with Pads("h264") as pads:
        pads.start()
        for payload, position in units[:12]:
            pads.push(payload, position)
        pads.source.push_event(Gst.Event.new_gap(12 * FRAME, FRAME))
        for payload, position in units[13:20]:
            pads.push(payload, position)
        assert pads.positions == list(range(20))
        assert "gap" not in pads.names
        pads.source.push_event(Gst.Event.new_gap(20 * FRAME, 2 * SECOND))  # the sender pauses: known at once
        assert pads.names[-1] == "gap"
        for payload, position in units[20:]:
            pads.push(payload, position + 50)
        pads.source.push_event(Gst.Event.new_gap(80 * FRAME, FRAME))
        pads.source.push_event(Gst.Event.new_gap(81 * FRAME, FRAME))
        pads.end()
        assert pads.names[-3:] == ["gap", "gap", "eos"]
        assert pads.positions == [*range(20), *range(70, 80)]


@pytest.mark.parametrize("bframes", [0, 2])
def test_behind_the_segments_stop_the_stream_is_over(bframes: int) -> None:
    from pipelines.gst.bindings import Gst

    with Pads("h264") as pads:
        pads.start(stop=10 * FRAME + FRAME // 2)
        answers = [pads.push(payload, position) for payload, position in stream("h264", bframes)]
        assert pads.positions == list(range(11))
        assert pads.buffers[-1].duration == FRAME // 2
        assert Gst.FlowReturn.EOS in answers
        later = answers[answers.index(Gst.FlowReturn.EOS) :]
        assert set(later) == {Gst.FlowReturn.EOS}
        pads.end()
        assert pads.names[-1] == "eos"
        assert not pads.errors


def test_new_caps_drain_what_is_held() -> None:
    first, second = stream("h264", 2)[:10], stream("hevc", 2)
    with Pads("h264") as pads:
        pads.start()
        for payload, position in first:
            pads.push(payload, position)
        before = len(pads.buffers)
        pads.start(f"video/x-h265,stream-format=byte-stream,alignment=au,framerate={FPS}/1")
        assert len(pads.buffers) == 10 > before
        for payload, position in second:
            pads.push(payload, position + 10)
        pads.end()
        assert pads.positions == [*range(9), pads.positions[9], *range(10, 40)]


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_valid_before_the_end_is_a_decode_error(codec: Codec) -> None:
    from pipelines.gst.bindings import Gst

    rng = np.random.default_rng(2)
    with Pads(codec) as pads:
        pads.start()
        for position in range(5):
            assert pads.push(rng.bytes(2000), position) == Gst.FlowReturn.OK
        pads.end()
        (error,) = pads.errors
        assert error.matches(Gst.StreamError.quark(), Gst.StreamError.DECODE)
        assert pads.names[-1] == "eos"
        assert not pads.buffers


@pytest.mark.parametrize(
    "data", ["00", "01640028", "ff640028ffe100", "6162636465666768696a6b6c6d6e6f707172737475767778"]
)
def test_bad_codec_data_is_a_decode_error(data: str) -> None:
    from pipelines.gst.bindings import Gst

    with Pads("h264") as pads:
        pads.start(f"video/x-h264,stream-format=avc,alignment=au,codec_data=(buffer){data}")
        errors = pads.errors
        assert errors
        assert all(error.matches(Gst.StreamError.quark(), Gst.StreamError.DECODE) for error in errors)


def test_qos_reaches_the_source_and_drops_nothing() -> None:
    from pipelines.gst.bindings import Gst

    with Pads("h264") as pads:
        pads.start()
        for payload, position in stream("h264"):
            pads.push(payload, position)
            pads.sink.push_event(Gst.Event.new_qos(Gst.QOSType.UNDERFLOW, 2.0, SECOND, position * FRAME))
        pads.end()
        assert pads.positions == list(range(30))
        assert pads.upstream.count("GstEventQOS") == 30


@pytest.mark.parametrize("bframes", [0, 2])
def test_metas_go_with_their_picture(bframes: int) -> None:
    from pipelines.gst.bindings import Gst, GstVideo

    clock = Gst.Caps.from_string("timestamp/x-unix")
    with Pads("h264", regions=False) as pads:
        pads.start()
        for payload, position in stream("h264", bframes):
            buffer = pads.buffer(payload, position)
            buffer.add_reference_timestamp_meta(clock, position * 1000, Gst.CLOCK_TIME_NONE)
            GstVideo.buffer_add_video_caption_meta(buffer, GstVideo.VideoCaptionType.CEA708_RAW, bytes([position]))
            pads.source.push(buffer)
        pads.end()
        for position, buffer in enumerate(pads.buffers):
            assert buffer.get_reference_timestamp_meta(clock).timestamp == position * 1000
            assert buffer.get_meta(GstVideo.video_caption_meta_api_get_type()) is not None


def test_force_key_unit_goes_upstream() -> None:
    from pipelines.gst.bindings import Gst, GstVideo

    with Pads("h264") as pads:
        pads.start()
        pads.push(*stream("h264")[0])
        pads.sink.push_event(GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, 1))
        assert pads.upstream.count("GstForceKeyUnit") == 1
        pads.source.push_event(GstVideo.video_event_new_downstream_force_key_unit(0, 0, 0, True, 1))
        assert pads.names[-1] == "custom-downstream"


# Beyond the ten.


@pytest.mark.parametrize("codec", CODECS)
def test_the_rate_is_the_bitstreams_where_caps_say_none(codec: Codec) -> None:
    with Pads(codec) as pads:
        pads.start(f"video/x-{'h264' if codec == 'h264' else 'h265'},stream-format=byte-stream,alignment=au")
        for payload, position in stream(codec)[:3]:
            buffer = pads.buffer(payload, position)
            buffer.duration = 2**64 - 1
            pads.source.push(buffer)
        pads.end()
        caps = next(thing.parse_caps() for name, thing in pads.out if name == "caps")
        assert caps.get_structure(0).get_fraction("framerate") == (True, FPS, 1)
        assert {buffer.duration for buffer in pads.buffers} == {FRAME}


@pytest.mark.parametrize("units", [paff(), paff(bottom_first=True), mbaff()], ids=["top", "bottom", "frames"])
def test_interlaced_pictures_say_so(units: list[AccessUnit]) -> None:
    from pipelines.gst.bindings import GstVideo

    with Pads("h264") as pads:
        pads.start()
        for position, unit in enumerate(units):
            pads.push(join_annexb(unit.nals), position)
        pads.end()
        caps = next(thing.parse_caps() for name, thing in pads.out if name == "caps")
        assert caps.get_structure(0).get_string("interlace-mode") == "mixed"
        interlaced, top = (int(flag) for flag in (GstVideo.VideoBufferFlags.INTERLACED, GstVideo.VideoBufferFlags.TFF))
        assert len(pads.buffers) == len(units)
        wanted = interlaced | (top if units is paff() else 0)
        assert all(int(buffer.get_flags()) & (interlaced | top) == wanted for buffer in pads.buffers)


def test_a_peer_of_fixed_size_is_honoured() -> None:
    from pipelines.gst.bindings import Gst

    with Pads("h264", "video/x-raw,format=I420,width=640,height=360") as pads:
        caps = pads.source.peer_query_caps(None)
        sizes = {caps.get_structure(i).get_int("width")[1] for i in range(caps.get_size())}
        assert sizes == {640}
        pads.start()
        answers = [pads.push(payload, position) for payload, position in stream("h264")[:3]]
        assert Gst.FlowReturn.NOT_NEGOTIATED in answers
        assert not pads.buffers


def test_corrupted_pictures_can_be_left_out() -> None:
    units = [(payload, position) for payload, position in stream("h264") if position != 12]
    for discard in (False, True):
        with Pads("h264", mark_corrupted="damaged", discard_corrupted_frames=discard) as pads:
            pads.start()
            for payload, position in units:
                pads.push(payload, position)
            pads.end()
            assert (12 in pads.positions) is not discard
            assert len(pads.buffers) == 30 - discard


@pytest.mark.parametrize(("name", "value"), [("method", "magic"), ("engine", "steam"), ("on-damage", "perhaps")])
def test_bad_property_values_are_errors(name: str, value: str) -> None:
    from pipelines.gst.bindings import Gst

    element, bus = Gst.ElementFactory.make("concealdec"), Gst.Bus.new()
    element.set_bus(bus)
    good = element.get_property(name)
    element.set_property(name, value)
    assert element.get_property(name) == good
    assert element.set_state(Gst.State.READY) == Gst.StateChangeReturn.FAILURE
    error = bus.pop_filtered(Gst.MessageType.ERROR).parse_error()[0]
    assert error.matches(Gst.LibraryError.quark(), Gst.LibraryError.SETTINGS)
    assert value in error.message
    element.set_state(Gst.State.NULL)
    element.set_property(name, good)
    assert element.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    element.set_state(Gst.State.NULL)


def test_metrics_are_the_elements_own_counts() -> None:
    from pipelines.gst.bindings import Gst

    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    units = [(payload, position) for payload, position in stream("h264") if position != 12]
    with Pads("h264", metrics=f":{port}") as pads:
        pads.start()
        for payload, position in units:
            pads.push(payload, position)
        pads.end()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        name, stats = pads.element.get_name(), pads.stats
        assert stats["pictures"] == 30
        for metric, value in (("pictures", 30), ("pictures_damaged", stats["damaged"]), ("pictures_made_up", 1)):
            assert f'concealer_{metric}_total{{stream="{name}"}} {float(value)}' in text
        assert f'concealer_latency_seconds_count{{stream="{name}"}} 29.0' in text
    element, bus = Gst.ElementFactory.make("concealdec"), Gst.Bus.new()
    element.set_bus(bus)
    element.set_property("metrics", "nowhere")
    assert element.set_state(Gst.State.PAUSED) == Gst.StateChangeReturn.FAILURE
    assert "ADDR:PORT" in bus.pop_filtered(Gst.MessageType.ERROR).parse_error()[0].message
    element.set_state(Gst.State.NULL)


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_a_thousand_elements_leave_nothing_behind() -> None:
    from pipelines.gst.bindings import Gst

    seen = []
    gone: list[bool] = []
    for turn in range(1000):
        pipeline, element = Gst.Pipeline.new(None), Gst.ElementFactory.make("concealdec")
        pipeline.add(element)
        element.weak_ref(lambda: gone.append(True))
        for state in (Gst.State.READY, Gst.State.PAUSED, Gst.State.READY, Gst.State.PAUSED, Gst.State.NULL):
            element.set_state(state)
        del pipeline, element
        if turn % 100 == 99:
            gc.collect()
            seen.append(_resident_kb())
    assert len(gone) == 1000
    assert seen[-1] - seen[2] < 2_000


def test_pictures_are_those_of_the_plain_decode() -> None:
    with Pads("h264") as pads:
        pads.start()
        for payload, position in stream("h264"):
            pads.push(payload, position)
        pads.end()
        want = clean("h264")[-1]
        data = np.frombuffer(pads.buffers[-1].extract_dup(0, want.size), np.uint8)
        assert np.array_equal(data.reshape(want.shape), want)


@pytest.mark.parametrize(
    "name", ["discard-corrupted-frames", "min-force-key-unit-interval", "automatic-request-sync-points"]
)
def test_properties_have_the_names_and_types_of_the_base_class(name: str) -> None:
    from pipelines.gst.bindings import Gst

    stock = Gst.ElementFactory.make("avdec_h264").find_property(name)
    for element in ("concealdec", "concealbin"):
        ours = Gst.ElementFactory.make(element).find_property(name)
        assert ours.value_type == stock.value_type
