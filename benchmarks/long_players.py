"""What stock players make of the seams of a file: FFmpeg, GStreamer's decoder and Chromium.

python -m benchmarks.long_players FILE FROM TO...    # seconds; GStreamer's answer as JSON
"""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any, cast

import av

Stretch = tuple[float, float]
"""From where to where, in seconds."""

_PATIENCE_S = 30.0
"""For one stretch in Chromium."""
_PAGE = """<!DOCTYPE html><video id=v muted src="/video"></video><script>
const stretches = %s, v = document.getElementById("v"), told = [];
const once = (name) => new Promise((done, failed) => {
  v.addEventListener(name, done, {once: true});
  v.addEventListener("error", () => failed(new Error(v.error.message)), {once: true});
});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function all() {
  if (v.readyState < 1) await once("loadedmetadata");
  for (const [from, to] of stretches) {
    const seeked = once("seeked");
    v.currentTime = from;
    await seeked;
    const before = v.getVideoPlaybackQuality();
    v.playbackRate = 2;
    await v.play();
    const began = performance.now();
    while (v.currentTime < to && !v.ended && !v.error && performance.now() - began < %d) await wait(50);
    v.pause();
    const quality = v.getVideoPlaybackQuality();
    told.push({reached: v.currentTime, frames: quality.totalVideoFrames - before.totalVideoFrames,
               corrupted: quality.corruptedVideoFrames - before.corruptedVideoFrames,
               error: v.error ? v.error.message : null});
    if (v.error) break;
  }
}
all().catch((error) => told.push({error: String(error)})).finally(
  () => fetch("/told", {method: "POST", body: JSON.stringify({told, duration: v.duration, height: v.videoHeight})}));
</script>"""


def in_ffmpeg(path: Path, stretches: Sequence[Stretch]) -> dict[str, Any]:
    """Stretches of which libavcodec gives every picture; its complaints, concealment among them, are the errors."""
    with av.logging.Capture(local=True) as said:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            played, errors = _decoded(path, stretches)
        finally:
            av.logging.set_level(level)
    return {"played": played, "errors": errors + len(said)}


def _decoded(path: Path, stretches: Sequence[Stretch]) -> tuple[int, int]:
    played, errors = 0, 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # what other threads say is not captured
        base = stream.time_base
        assert base is not None
        rate = float(stream.average_rate or 25)
        for start, end in stretches:
            container.seek(round(start / base), stream=stream)
            times = []
            try:
                for frame in container.decode(stream):
                    errors += frame.is_corrupt
                    if frame.pts is not None and frame.pts * base >= start:
                        times.append(float(frame.pts * base))
                    if frame.pts is not None and frame.pts * base >= end:
                        break
            except av.FFmpegError:
                errors += 1
            steps = [b - a for a, b in zip(times, times[1:], strict=False)]
            played += bool(times) and times[-1] >= end - 1 / rate and all(0 < step < 1.5 / rate for step in steps)
    return played, errors


def in_gstreamer(path: Path, stretches: Sequence[Stretch]) -> dict[str, Any] | None:
    """The same by avdec_h264 behind qtdemux, in a process of its own; None where there is no GStreamer."""
    if shutil.which("gst-inspect-1.0") is None:
        return None
    places = [str(second) for stretch in stretches for second in stretch]
    command = [sys.executable, "-m", "benchmarks.long_players", str(path), *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"GStreamer: {done.stderr.strip()}")
    return cast(dict[str, Any], json.loads(done.stdout))


def in_chromium(path: Path, stretches: Sequence[Stretch]) -> dict[str, Any] | None:
    """Played at double speed in a headless browser; None where there is none."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return None
    told: Queue[dict[str, Any]] = Queue()
    page = (_PAGE % (json.dumps(stretches), int(_PATIENCE_S * 1000))).encode()
    with _served(path, page, told) as address, tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            answer = told.get(timeout=60 + _PATIENCE_S * len(stretches))
        except Empty:
            answer = {"told": [{"error": "the browser never answered"}]}
        finally:
            process.terminate()
            process.wait()
    results = answer["told"]
    errors = [one["error"] for one in results if one.get("error")]
    reached = [
        one.get("reached", 0.0) >= end and one["frames"] > 0 and not one["corrupted"]
        for one, (_, end) in zip(results, stretches, strict=False)
        if not one.get("error")
    ]
    return {"played": sum(reached), "errors": len(errors), "first_error": errors[0] if errors else None}


@contextlib.contextmanager
def _served(path: Path, page: bytes, told: Queue[dict[str, Any]]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, path, page, told))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """The page, and the file by ranges, which seeking needs."""

    def __init__(self, path: Path, page: bytes, told: Queue[dict[str, Any]], *rest: Any) -> None:
        self._path, self._page, self._told = path, page, told
        super().__init__(*rest)

    def do_GET(self) -> None:  # noqa: N802
        if self.path != "/video":
            self._head(200, "text/html", len(self._page))
            self.wfile.write(self._page)
            return
        size = self._path.stat().st_size
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        start = int(asked[0])
        end = int(asked[1]) + 1 if asked[1] else size
        self._head(206, "video/mp4", end - start, f"bytes {start}-{end - 1}/{size}")
        with open(self._path, "rb") as file, contextlib.suppress(OSError):  # it hangs up when it seeks
            file.seek(start)
            while start < end and (piece := file.read(min(1 << 20, end - start))):
                self.wfile.write(piece)
                start += len(piece)

    def do_POST(self) -> None:  # noqa: N802
        self._told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._head(204, "text/plain", 0)

    def _head(self, status: int, kind: str, length: int, stretch: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if stretch is not None:
            self.send_header("Content-Range", stretch)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _by_gstreamer(path: str, stretches: Sequence[Stretch]) -> dict[str, Any]:
    from pipelines.gst.bindings import Gst

    Gst.init(None)
    words = "filesrc name=file ! qtdemux ! h264parse ! avdec_h264 ! fakesink name=sink signal-handoffs=true sync=false"
    pipeline = Gst.parse_launch(words)
    pipeline.get_by_name("file").set_property("location", path)
    times: list[int] = []
    pipeline.get_by_name("sink").connect("handoff", lambda _sink, buffer, _pad: times.append(buffer.pts))
    played = errors = 0
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(Gst.SECOND * 20)
    bus = pipeline.get_bus()
    for start, end in stretches:
        pipeline.seek(
            1.0,
            Gst.Format.TIME,
            Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE,
            Gst.SeekType.SET,
            int(start * Gst.SECOND),
            Gst.SeekType.SET,
            int(end * Gst.SECOND),
        )
        pipeline.get_state(Gst.SECOND * 20)
        times.clear()
        pipeline.set_state(Gst.State.PLAYING)
        kinds = Gst.MessageType.ERROR | Gst.MessageType.WARNING | Gst.MessageType.EOS
        message = bus.timed_pop_filtered(Gst.SECOND * 60, kinds)
        while message is not None and message.type == Gst.MessageType.WARNING:
            errors += 1
            message = bus.timed_pop_filtered(Gst.SECOND * 60, kinds)
        errors += message is None or message.type == Gst.MessageType.ERROR
        steps = [b - a for a, b in zip(times, times[1:], strict=False)]
        far = bool(times) and times[-1] >= (end - 0.09) * Gst.SECOND
        played += far and all(0 < step < 0.06 * Gst.SECOND for step in steps)
        pipeline.set_state(Gst.State.PAUSED)
    pipeline.set_state(Gst.State.NULL)
    return {"played": played, "errors": errors}


if __name__ == "__main__":
    seconds = list(map(float, sys.argv[2:]))
    print(json.dumps(_by_gstreamer(sys.argv[1], list(zip(seconds[::2], seconds[1::2], strict=True)))))
