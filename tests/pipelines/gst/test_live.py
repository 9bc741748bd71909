"""Streams over sockets in real time, and the plugin as a command line finds it."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from benchmarks.rtp import send_udp
from concealer.loss import TransportStreamLoss
from tests.media import Codec, clip, encode_file
from tests.pipelines.gst.running import ENCODING, FPS, FRAME, Outcome, clean, lossy, psnr, push_all, run, stream

CODECS = get_args(Codec)


@pytest.mark.parametrize("codec", CODECS)
def test_rtp_over_loopback_with_loss(codec: Codec) -> None:
    sendings = lossy(codec)
    caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={ENCODING[codec]},payload=96"
    udp = f"udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps={caps}"

    def feed(pipeline: object) -> None:
        from pipelines.gst.bindings import Gst

        pipeline.get_state(Gst.SECOND)  # type: ignore[attr-defined]
        source = pipeline.get_by_name("udp")  # type: ignore[attr-defined]
        send_udp(sendings, source.get_property("port"), FPS)
        time.sleep(0.3)
        source.send_event(Gst.Event.new_eos())

    result = run(f"{udp} ! concealbin name=dec latency=100 deadline-ms=0 ! appsink name=out", feed)
    assert not result.errors
    assert _from_first(result) == list(range(len(sendings)))
    assert result.stats["packets-lost"] == sum(sending.lost for sending in sendings)
    quality = np.mean([psnr(out.luma, want) for out, want in zip(result.buffers, clean(codec), strict=True)])
    assert quality > 30


def _from_first(result: Outcome) -> list[int]:
    first = result.buffers[0].pts
    return [round((out.pts - first) / FRAME) for out in result.buffers]


def test_mpegts_over_udp(tmp_path: Path) -> None:
    path = encode_file(tmp_path / "clip.ts", clip(30), "h264", slices=4, gop=30)
    target = io.BytesIO()
    record = TransportStreamLoss(0.02, seed=4).send(io.BytesIO(path.read_bytes()), target)
    assert record.packets_dropped
    damaged = target.getvalue()

    def feed(pipeline: object) -> None:
        from pipelines.gst.bindings import Gst

        pipeline.get_state(Gst.SECOND)  # type: ignore[attr-defined]
        source = pipeline.get_by_name("udp")  # type: ignore[attr-defined]
        port = source.get_property("port")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            for start in range(0, len(damaged), 7 * 188):
                channel.sendto(damaged[start : start + 7 * 188], ("127.0.0.1", port))
                time.sleep(30 / FPS * 7 * 188 / len(damaged))
        time.sleep(0.2)
        source.send_event(Gst.Event.new_eos())

    udp = "udpsrc name=udp port=0 address=127.0.0.1 buffer-size=1000000 caps=video/mpegts,packetsize=188"
    result = run(f"{udp} ! tsdemux ! h264parse ! concealdec name=dec ! appsink name=out", feed)
    assert not result.errors
    assert _from_first(result) == list(range(30))


def test_codec_change_inside_the_bin() -> None:
    from benchmarks.rtp import packetise
    from concealer.bitstream import split_annexb
    from pipelines.gst.bindings import Gst

    fed = threading.Event()

    def hold(pipeline: object) -> None:
        # The source then already speaks of its last codec's caps while packets of the first arrive at the bin.
        def wait(pad: object, info: object) -> object:
            fed.wait(30)
            return Gst.PadProbeReturn.OK

        pad = pipeline.get_by_name("in").get_static_pad("src")  # type: ignore[attr-defined]
        pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, wait)

    def feed(pipeline: object) -> None:
        source = pipeline.get_by_name("in")  # type: ignore[attr-defined]
        sequence, position = 0, 0
        for codec in CODECS:
            caps = f"application/x-rtp,media=video,clock-rate=90000,encoding-name={ENCODING[codec]},payload=96"
            source.set_property("caps", Gst.Caps.from_string(caps))
            for payload, place in stream(codec)[:8]:
                nals = [nal.data for nal in split_annexb(payload)]
                for packet in packetise(nals, codec, (position + place) * 3600, sequence, 1200):
                    buffer = Gst.Buffer.new_wrapped(packet)
                    buffer.pts = buffer.dts = (position + place) * FRAME
                    source.emit("push-buffer", buffer)
                    sequence += 1
            position += 8
        source.emit("end-of-stream")
        fed.set()

    result = run("appsrc name=in format=time ! concealbin name=dec latency=0 ! appsink name=out", feed, prepare=hold)
    assert not result.errors
    assert _from_first(result) == list(range(16))


def test_pictures_without_a_copy_where_downstream_knows_strides() -> None:
    from pipelines.gst.bindings import Gst, GstVideo

    seen = []

    def look(pipeline: object) -> None:
        def on_buffer(pad: object, info: object) -> object:
            buffer = info.get_buffer()  # type: ignore[attr-defined]
            meta = GstVideo.buffer_get_video_meta(buffer)
            data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
            plane = data[: meta.stride[0] * meta.height].reshape(meta.height, meta.stride[0])
            seen.append((buffer.n_memory(), plane[:, : meta.width].copy()))
            return Gst.PadProbeReturn.OK

        pad = pipeline.get_by_name("sink").get_static_pad("sink")  # type: ignore[attr-defined]
        pad.add_probe(Gst.PadProbeType.BUFFER, on_buffer)

    caps = f"video/x-h264,stream-format=byte-stream,alignment=au,framerate={FPS}/1"
    source = f"appsrc name=in format=time caps={caps}"
    description = f"{source} ! concealdec name=dec ! fakevideosink name=sink sync=false  videotestsrc num-buffers=1 ! "
    run(description + "appsink name=out", push_all(stream("h264")), prepare=look)
    for _ in range(100):
        if len(seen) == 30:
            break
        time.sleep(0.02)
    for (memories, luma), want in zip(seen, clean("h264"), strict=False):
        assert memories == 3
        assert np.array_equal(luma, want)
    assert seen


def test_gst_inspect_finds_the_elements(tmp_path: Path) -> None:
    inspect = shutil.which("gst-inspect-1.0")
    if inspect is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gst-inspect-1.0 is missing: apt-get install gstreamer1.0-tools")
        pytest.skip("gst-inspect-1.0 is not installed: apt-get install gstreamer1.0-tools")
    environment = os.environ | {"GST_REGISTRY": str(tmp_path / "registry.bin"), "PYTHONPATH": str(_repository())}
    environment.pop("GST_PLUGIN_PATH", None)

    def told(element: str) -> subprocess.CompletedProcess[str]:
        script = f'eval "$({sys.executable} -m pipelines.gst)" && {inspect} {element}'
        return subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, env=environment, cwd=_repository()
        )

    if told("python").returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("GStreamer cannot load Python plugins: apt-get install gstreamer1.0-python3-plugin-loader")
        pytest.skip("GStreamer cannot load Python plugins: apt-get install gstreamer1.0-python3-plugin-loader")
    decoder = told("concealdec")
    assert decoder.returncode == 0, decoder.stderr
    for expected in ("deadline-ms", "overlay", "video/x-h265", "rtph264depay ! concealdec", "Default: 28"):
        assert expected in " ".join(decoder.stdout.split())
    assert told("conceallossprobe").returncode == 0
    assert "Nothing is encoded" in " ".join(told("concealsplice").stdout.split())
    assert "jitterbuffer" in told("concealbin").stdout


def _repository() -> Path:
    return Path(__file__).resolve().parents[3]
