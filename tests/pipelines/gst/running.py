"""Pipelines run to their end, and what came out of them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.rtp import Sending, send_lossy
from concealer.bitstream import Codec, StreamParser, join_annexb
from tests.media import clip, encode_bytes

FPS = 25
FRAME = 40_000_000
PICTURES = 30
ENCODING = {"h264": "H264", "hevc": "H265"}
DEPAYLOADER = {"h264": "rtph264depay", "hevc": "rtph265depay"}
MEDIA = {"h264": "video/x-h264", "hevc": "video/x-h265"}


@dataclass
class Out:
    """One buffer that came out."""

    pts: int
    luma: npt.NDArray[np.uint8]
    flags: Any
    regions: list[tuple[str, int, int, int, int]]
    caps: str


@dataclass
class Outcome:
    """What a run brought."""

    buffers: list[Out] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """Names of element messages."""
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def positions(self) -> list[int]:
        """Output times in pictures."""
        return [round(out.pts / FRAME) for out in self.buffers]


@cache
def _stream(codec: Codec, bframes: int) -> list[tuple[bytes, int]]:
    # HEVC slices are at least a row of CTBs high.
    data = encode_bytes(clip(PICTURES, 352, 288), codec, slices=4, bframes=bframes, gop=PICTURES, crf=20)
    parser = StreamParser(codec)
    units = [*parser.push(data), *parser.flush()]
    order = sorted(range(len(units)), key=lambda index: units[index].order)
    place = {index: position for position, index in enumerate(order)}
    payloads = [join_annexb(unit.nals) for unit in units]
    return [(payload, place[index]) for index, payload in enumerate(payloads)]


def stream(codec: Codec, bframes: int = 0) -> list[tuple[bytes, int]]:
    """A CIF-sized clip with moving layers in slices: (payload, position in output order), in decoding order."""
    return _stream(codec, bframes)  # one and the same encode, however it is asked for: encoders vary from run to run


@cache
def clean(codec: Codec, bframes: int = 0) -> list[npt.NDArray[np.uint8]]:
    """The undamaged decode of `stream`, in output order."""
    data = b"".join(payload for payload, _ in stream(codec, bframes))
    planes = []
    with av.open(io.BytesIO(data), format=codec) as container:
        for frame in container.decode(video=0):
            rows = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)
            planes.append(rows[: frame.height, : frame.width].copy())
    return planes


@cache
def lossy(codec: Codec, bframes: int = 0, rate: float = 0.03, seed: int = 3) -> list[Sending]:
    """The stream over RTP in packets of 300 bytes."""
    return send_lossy(stream(codec, bframes), codec, FPS, rate=rate, seed=seed, mtu=300)


def all_packets(codec: Codec, bframes: int = 0) -> list[tuple[bytes, int]]:
    """Every RTP packet of the stream with its picture's position."""
    found = []
    for sending in send_lossy(stream(codec, bframes), codec, FPS, rate=0.0, seed=0, mtu=300):
        found += [(packet, sending.position) for packet in sending.packets]
    return found


def psnr(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """In dB, 60 for equal pictures."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 60.0 if error == 0 else min(60.0, 10 * np.log10(255**2 / error))


def read_out(sample: Any) -> Out:
    """Copy everything that matters out of a sample."""
    from pipelines.gst.bindings import GstVideo

    buffer, caps = sample.get_buffer(), sample.get_caps()
    info = GstVideo.VideoInfo.new_from_caps(caps)
    data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    stride = info.stride[0]
    luma = data[: stride * info.height].reshape(info.height, stride)[:, : info.width].copy()
    regions = []
    for meta_id in range(64):
        meta = GstVideo.buffer_get_video_region_of_interest_meta_id(buffer, meta_id)
        if meta is not None:
            regions.append((_quark(meta.roi_type), meta.x, meta.y, meta.w, meta.h))
    return Out(buffer.pts, luma, buffer.get_flags(), regions, caps.to_string())


def _quark(value: int) -> str:
    from pipelines.gst.bindings import GLib

    return str(GLib.quark_to_string(value))


def stats_of(element: Any) -> dict[str, Any]:
    """The `stats` property as a dictionary."""
    structure = element.get_property("stats")
    return {
        structure.nth_field_name(i): structure.get_value(structure.nth_field_name(i))
        for i in range(structure.n_fields())
    }


def run(
    description: str,
    feed: Callable[[Any], None] | None = None,
    *,
    seconds: float = 60.0,
    decoder: str = "dec",
    prepare: Callable[[Any], None] | None = None,
) -> Outcome:
    """Run a pipeline with `appsink name=out` to its end. `feed(pipeline)` runs in a thread of its own."""
    from pipelines.gst.bindings import Gst

    pipeline = Gst.parse_launch(description)
    outcome = Outcome()
    sink = pipeline.get_by_name("out")
    sink.set_property("sync", False)
    if prepare is not None:
        prepare(pipeline)
    pipeline.set_state(Gst.State.PLAYING)
    feeder = threading.Thread(target=feed, args=(pipeline,)) if feed else None
    if feeder:
        feeder.start()
    bus = pipeline.get_bus()
    try:
        for _ in range(round(seconds / 0.05)):
            sample = sink.emit("try-pull-sample", 50 * Gst.MSECOND)
            while sample is not None:
                outcome.buffers.append(read_out(sample))
                sample = sink.emit("try-pull-sample", 50 * Gst.MSECOND)
            while (message := bus.pop()) is not None:
                if message.type == Gst.MessageType.ERROR:
                    outcome.errors.append(message.parse_error()[0].message)
                elif message.type == Gst.MessageType.ELEMENT:
                    outcome.messages.append(message.get_structure().get_name())
            if outcome.errors or sink.get_property("eos"):
                break
        else:
            raise TimeoutError(f"no end of stream within {seconds} s, {len(outcome.buffers)} buffers")
        element = pipeline.get_by_name(decoder)
        if element is not None:
            outcome.stats = stats_of(element)
    finally:
        pipeline.set_state(Gst.State.NULL)
        if feeder:
            feeder.join()
    return outcome


def push_all(buffers: Sequence[tuple[bytes, int]], source: str = "in") -> Callable[[Any], None]:
    """A feed for `appsrc`: (bytes, position in pictures) in order, then the end of the stream."""

    def feed(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        element = pipeline.get_by_name(source)
        for data, position in buffers:
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts, buffer.duration = position * FRAME, FRAME
            if element.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
        element.emit("end-of-stream")

    return feed


def push_live(packets: Sequence[tuple[bytes, int]], source: str = "in") -> Callable[[Any], None]:
    """A feed for `live_source`: (packet, position in pictures) at their time, then the end of the stream."""

    def feed(pipeline: Any) -> None:
        from pipelines.gst.bindings import Gst

        element = pipeline.get_by_name(source)
        started = time.monotonic()
        for data, position in packets:
            time.sleep(max(0.0, started + position / FPS - time.monotonic()))
            if element.emit("push-buffer", Gst.Buffer.new_wrapped(data)) != Gst.FlowReturn.OK:
                return
        element.emit("end-of-stream")

    return feed


def rtp_source(codec: Codec) -> str:
    """An `appsrc` of RTP packets."""
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={ENCODING[codec]},payload=96"
    return f"appsrc name=in format=time caps={caps}"


def live_source(codec: Codec) -> str:
    """An `appsrc` of RTP packets that bear the time of their arrival."""
    ssrc = int.from_bytes(all_packets(codec)[0][0][8:12], "big")
    return f"{rtp_source(codec)},ssrc=(uint){ssrc} is-live=true do-timestamp=true min-latency=0"


def au_source(codec: Codec) -> str:
    """An `appsrc` of access units in Annex B."""
    return f"appsrc name=in format=time caps={MEDIA[codec]},stream-format=byte-stream,alignment=au,framerate={FPS}/1"
