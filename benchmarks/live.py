"""What the GStreamer elements do with a live stream: every picture, its quality, delay, CPU and memory; throughput.

python -m benchmarks.live            # about four minutes: 60 s of RTP in real time for each codec
python -m benchmarks.live --quick    # 6 s each; results go to the cache folder
python -m benchmarks.live --only one-slice --seeds 2    # as cameras send it, beside stock decoders: 40 minutes

Needs GStreamer's Python bindings (docs/live.md).
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.clips import CUPS_360P, CUPS_720P, available
from benchmarks.metrics import Luma, psnr_of, squared_error
from benchmarks.product import product_repairer
from benchmarks.rough_wire import send_rough, stock_decoders, stock_error
from benchmarks.rtp import CLOCK, Sending, send_lossy, send_udp
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Codec, Encoding, Stream, default_cache, encoded
from concealer.bitstream.transport import RtpDepacketiser
from concealer.decoder.hook import frame_planes
from concealer.front_door import open_decoder
from pipelines.gst.register import register

FPS = 30
LOSS = 0.03
LOSSES = (0.01, 0.03, 0.05)
"""Of one-slice streams."""
SEED = 11
_PICTURES = 60
"""Length of the clip, which is repeated, and pictures from one IDR picture to the next."""
_LONG = 240
"""Length of the clip for streams of one slice a picture: where it begins anew there is a cut, and an IDR picture that
loses its end there has nothing to be repaired from. Cameras cut nowhere."""
_ENCODING = {"h264": "H264", "hevc": "H265"}
_REFERENCE = {"h264": "avdec_h264 max-threads=1", "hevc": "avdec_h265 max-threads=1"}
_PARSER = {"h264": "h264parse", "hevc": "h265parse"}
_CODECS: tuple[Codec, ...] = ("h264", "hevc")
KEY = ("measure", "clip", "codec", "structure", "pictures", "deadline_ms", "loss", "seed", "method")
Send = Callable[[Sequence[Sending], int, int], None]
"""Sends to a port of this machine, at so many pictures a second."""


def repeated(stream: Stream, times: int) -> list[tuple[bytes, int]]:
    """(payload, position) of the clip over and over."""
    length = len(stream.units)
    return [(unit.payload, turn * length + unit.pts) for turn in range(times) for unit in stream.units]


def offline_psnr(stream: Stream, sendings: Sequence[Sending]) -> float:
    """Mean PSNR-Y of what the file pipeline's decoder makes of the same packets, without a deadline."""
    depacketiser = RtpDepacketiser(stream.encoding.codec)
    units = [unit for sending in sendings for packet in sending.packets for unit in depacketiser.push(packet)]
    decoder = open_decoder(stream.encoding.codec, repairer=product_repairer())
    scores: list[float] = []

    def count(pictures: Any) -> None:
        for picture in pictures:
            planes = frame_planes(picture.frame)
            assert planes is not None
            clean = stream.clean[picture.pts % _PICTURES][0]
            scores.append(psnr_of(squared_error(clean, np.ascontiguousarray(planes[0])), clean.size))

    for unit in [*units, *depacketiser.flush()]:
        position = round(unit.timestamp * FPS / CLOCK)
        count(decoder.decode(unit.payload, pts=position, gaps=unit.gaps, complete=True))
    count(decoder.flush())
    decoder.close()
    if len(scores) != len(sendings):
        raise RuntimeError(f"file pipeline: {len(scores)} pictures of {len(sendings)}")
    return float(np.mean(scores))


@dataclass
class Reception:
    """What a loopback run measured."""

    positions: list[int] = field(default_factory=list)
    deviation_ms: float = 0.0
    """Farthest that an output time lay from its picture's."""
    psnr: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    """Seconds from an access unit's arrival at concealdec to its picture."""
    cpu: list[float] = field(default_factory=list)
    """Cores in use, per second."""
    memory: list[float] = field(default_factory=list)
    """Resident MB, per second."""
    stats: dict[str, Any] = field(default_factory=dict)
    missed: int = 0
    """Packets that the jitter buffer did not have in time, whether they were lost on the wire or came late."""


def receive(stream: Stream, sendings: Sequence[Sending], options: str, send: Send = send_udp) -> Reception:
    """Send in real time from another process over UDP; `concealbin` with `options` repairs here."""
    register()
    from pipelines.gst.bindings import Gst

    codec = stream.encoding.codec
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={_ENCODING[codec]},payload=96"
    pipeline = Gst.parse_launch(
        f"udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps={caps} ! "
        f"concealbin name=bin latency=100 {options} ! appsink name=out sync=false max-buffers=8"
    )
    out, decoder = pipeline.get_by_name("out"), pipeline.get_by_name("bin").get_by_name("decoder")
    reception = Reception()
    _time_pictures(decoder, reception)
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_state(Gst.SECOND)
    port = pipeline.get_by_name("udp").get_property("port")
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(sendings, port, FPS))
    sender.start()
    started = last_sample = time.perf_counter()
    cpu = _cpu_seconds()
    first: int | None = None
    end: float | None = None
    while end is None or time.perf_counter() < end:
        sample = out.emit("try-pull-sample", 20 * Gst.MSECOND)
        if sample is not None:
            buffer = sample.get_buffer()
            first = buffer.pts if first is None else first
            exact = (buffer.pts - first) * FPS / 1e9
            position = round(exact)
            reception.deviation_ms = max(reception.deviation_ms, abs(exact - position) * 1000 / FPS)
            _judge(stream, position, buffer, reception)
        now = time.perf_counter()
        if now - last_sample >= 1.0:
            used = _cpu_seconds()
            reception.cpu.append((used - cpu) / (now - last_sample))
            reception.memory.append(_resident_mb())
            last_sample, cpu = now, used
        if end is None and first is not None and not sender.is_alive():
            end = now + 1.0
        if now - started > len(sendings) / FPS + 60:
            raise TimeoutError("the sender does not end")
    # The pictures that the decoder holds for reordering come out at the end of the stream only.
    pipeline.get_by_name("udp").send_event(Gst.Event.new_eos())
    while (sample := out.emit("try-pull-sample", Gst.SECOND)) is not None:
        buffer = sample.get_buffer()
        position = round((buffer.pts - (first or 0)) * FPS / 1e9)
        _judge(stream, position, buffer, reception)
    structure = decoder.get_property("stats")
    names = [structure.nth_field_name(index) for index in range(structure.n_fields())]
    reception.stats = {name: structure.get_value(name) for name in names}
    jitter = pipeline.get_by_name("bin").get_by_name("jitterbuffer").get_property("stats")
    reception.missed = int(jitter.get_value("num-lost"))
    pipeline.set_state(Gst.State.NULL)
    sender.join()
    return reception


def _time_pictures(decoder: Any, reception: Reception) -> None:
    """Have `reception.delays` filled while the pipeline runs."""
    from pipelines.gst.bindings import Gst

    arrivals: dict[int, float] = {}

    def on_access_unit(pad: Any, info: Any) -> Any:
        arrivals[info.get_buffer().pts] = time.perf_counter()
        return Gst.PadProbeReturn.OK

    def on_picture(pad: Any, info: Any) -> Any:
        arrived = arrivals.pop(info.get_buffer().pts, None)
        if arrived is not None:
            reception.delays.append(time.perf_counter() - arrived)
        return Gst.PadProbeReturn.OK

    decoder.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_access_unit)
    decoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_picture)


def _judge(stream: Stream, position: int, buffer: Any, reception: Reception) -> None:
    """Hold a picture against the clean one at its position."""
    reception.positions.append(position)
    clean = stream.clean[position % len(stream.clean)][0]
    reception.psnr.append(psnr_of(squared_error(clean, _luma(buffer, clean)), clean.size))


def _luma(buffer: Any, like: Luma) -> Luma:
    height, width = like.shape
    data = np.frombuffer(buffer.extract_dup(0, height * width), np.uint8)
    return data.reshape(height, width)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def loopback(stream: Stream, seconds: int, deadline_ms: float) -> Row:
    """A row of the RTP loopback."""
    sendings = send_lossy(
        repeated(stream, seconds * FPS // _PICTURES), stream.encoding.codec, FPS, rate=LOSS, seed=SEED
    )
    load = os.getloadavg()[0]
    reception = receive(stream, sendings, f"deadline-ms={deadline_ms}")
    expected = list(range(len(sendings)))
    delays = np.array(reception.delays) * 1e3
    third = max(len(reception.cpu) // 3, 1)
    steady = reception.memory[third:]
    return {
        "access_units": len(sendings),
        "pictures_out": len(reception.positions),
        "once_in_order": reception.positions == expected,
        "time_deviation_ms": reception.deviation_ms,
        "packets": sum(len(s.packets) + s.lost for s in sendings),
        "packets_lost": sum(s.lost for s in sendings),
        "packets_lost_seen": reception.stats["packets-lost"],
        "access_units_hit": sum(s.hit for s in sendings),
        "methods": reception.stats["methods"],
        "deadline_missed": reception.stats["deadline-missed"],
        "psnr": float(np.mean(reception.psnr)),
        "psnr_file": offline_psnr(stream, sendings),
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p95_ms": float(np.percentile(delays, 95)),
        "delay_p99_ms": float(np.percentile(delays, 99)),
        "delay_max_ms": float(delays.max()),
        "repair_p95_ms": reception.stats["repair-p95-ms"],
        "cpu_first_third": float(np.mean(reception.cpu[:third])),
        "cpu_last_third": float(np.mean(reception.cpu[-third:])),
        "memory_first_mb": steady[0] if steady else 0.0,
        "memory_last_mb": steady[-1] if steady else 0.0,
        "load_before": load,
    }


def one_slice(stream: Stream, seconds: int, loss: float, seed: int, method: str) -> Row:
    """A row of the stream as cameras send it, over a wire with jitter, reordering and duplicates, beside stock."""
    units = repeated(stream, -(-seconds * FPS // len(stream.units)))[: seconds * FPS]
    sendings = send_lossy(units, stream.encoding.codec, FPS, rate=loss, seed=seed)
    load = os.getloadavg()[0]
    reception = receive(stream, sendings, f"method={method}", send_rough)
    delays = np.array(reception.delays) * 1e3
    error = float(np.mean(255.0**2 / 10 ** (np.array(reception.psnr) / 10)))
    row: Row = {
        "loss": loss,
        "seed": seed,
        "method": method,
        "access_units": len(sendings),
        "pictures_out": len(reception.positions),
        "once_in_order": reception.positions == list(range(len(sendings))),
        "access_units_hit": sum(s.hit for s in sendings),
        "packets_lost": sum(s.lost for s in sendings),
        "packets_missed": reception.missed,
        "packets_lost_seen": reception.stats["packets-lost"],
        "keyframe_requests": reception.stats["keyframe-requests"],
        "psnr": 10 * float(np.log10(255.0**2 / error)),
        "delay_p50_ms": float(np.percentile(delays, 50)),
        "delay_p95_ms": float(np.percentile(delays, 95)),
        "delay_p99_ms": float(np.percentile(delays, 99)),
        "load_before": load,
    }
    for decoder in stock_decoders(stream.encoding.codec) if method == "auto" else ():
        stock, pictures = stock_error(stream, sendings, decoder, FPS)
        name = decoder.split()[0]
        row |= {f"psnr_{name}": 10 * float(np.log10(255.0**2 / stock)), f"pictures_{name}": pictures}
    return row


def throughput(stream: Stream, rounds: int) -> Row:
    """Pictures per second of an undamaged stream, `concealdec` and libav's own element in turns, one thread each."""
    codec = stream.encoding.codec
    units = repeated(stream, 5)
    elements = {"concealdec": "concealdec max-threads=1", "reference": _REFERENCE[codec]}
    rates: dict[str, list[float]] = {name: [] for name in elements}
    load = os.getloadavg()[0]
    for turn in range(rounds + 1):
        names = list(elements) if turn % 2 else list(elements)[::-1]
        for name in names:
            rate = _rate(codec, units, elements[name])
            if turn:  # the first is to warm up
                rates[name].append(rate)
    ratios = [ours / theirs for ours, theirs in zip(rates["concealdec"], rates["reference"], strict=True)]
    return {
        "concealdec_fps": median(rates["concealdec"]),
        "reference_fps": median(rates["reference"]),
        "reference": _REFERENCE[codec],
        "ratio": median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "rounds": rounds,
        "load_before": load,
    }


def _rate(codec: Codec, units: Sequence[tuple[bytes, int]], element: str) -> float:
    """Pictures per second, the first sixty left out."""
    register()
    from pipelines.gst.bindings import Gst

    media = "video/x-h264" if codec == "h264" else "video/x-h265"
    caps = f"{media},stream-format=byte-stream,alignment=au,framerate={FPS}/1"
    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time max-bytes=0 caps={caps} ! {_PARSER[codec]} ! {element} ! "
        "fakevideosink name=out sync=false qos=false"
    )
    source, sink = pipeline.get_by_name("in"), pipeline.get_by_name("out")
    for payload, position in units:
        buffer = Gst.Buffer.new_wrapped(payload)
        buffer.pts, buffer.duration = position * Gst.SECOND // FPS, Gst.SECOND // FPS
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    times: list[float] = []

    def on_picture(pad: Any, info: Any) -> Any:
        times.append(time.perf_counter())
        return Gst.PadProbeReturn.OK

    sink.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_picture)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type != Gst.MessageType.EOS or len(times) != len(units):
        raise RuntimeError(f"{element}: {len(times)} pictures of {len(units)}")
    return (len(times) - _PICTURES) / (times[-1] - times[_PICTURES - 1])


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    if options.only == "one-slice":
        yield from _one_slice_rows(options)
        return
    seconds, rounds = (6, 3) if options.quick else (60, 9)
    for codec in _CODECS:
        stream = encoded(available([CUPS_720P])[0], Encoding(codec, "P", _PICTURES, slices=8), options.cache)
        common = _common(stream)
        if options.only in (None, "throughput"):
            values = throughput(stream, rounds)
            yield {"measure": "throughput", "pictures": 5 * _PICTURES, **common, **rounded(values)}
        if options.only in (None, "loopback"):
            row = {"measure": "loopback", "pictures": seconds * FPS, "deadline_ms": options.deadline_ms}
            yield row | common | rounded(loopback(stream, seconds, options.deadline_ms))


def _one_slice_rows(options: argparse.Namespace) -> Iterator[Row]:
    seconds = 6 if options.quick else options.seconds
    for clip, codec in itertools.product(available([CUPS_360P, CUPS_720P]), _CODECS):
        stream = encoded(clip, Encoding(codec, "P", _LONG, gop=_PICTURES, slices=1), options.cache)
        for seed, loss in itertools.product(range(1, 1 + options.seeds), LOSSES):
            # Whether what "auto" decides by serves is seen where much is lost.
            for method in ("auto", "motion") if loss == LOSSES[-1] else ("auto",):
                row = {"measure": "one-slice", "pictures": seconds * FPS, "deadline_ms": 28.0}
                yield row | _common(stream) | rounded(one_slice(stream, seconds, loss, seed, method))


def _common(stream: Stream) -> Row:
    return {
        "clip": stream.clip.name,
        "width": stream.width,
        "height": stream.height,
        "codec": stream.encoding.codec,
        "structure": "P",
        "settings": stream.encoding.settings,
        "encoder": stream.writer,
        "sources": fingerprint(("concealer", "pipelines", "benchmarks/live.py", "benchmarks/rtp.py")),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="6 s instead of 60, fewer rounds")
    parser.add_argument("--only", choices=("loopback", "throughput", "one-slice"), help="one measure only")
    parser.add_argument("--seconds", type=int, default=60, help="of one-slice, for each rate and seed (default: 60)")
    parser.add_argument("--seeds", type=int, default=1, help="of one-slice (default: 1)")
    parser.add_argument("--deadline-ms", type=float, default=28.0, help="the element's deadline-ms (default: 28)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/live.json)")
    options = parser.parse_args(arguments)
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "live.json"
    store = Store(out, command_line("benchmarks.live"), KEY)
    for row in _rows(options):
        store.add([row])
        shown = {name: value for name, value in row.items() if name not in ("settings", "encoder", "sources")}
        print("  ".join(f"{name}={value}" for name, value in shown.items()))
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
