"""Spliced streams in decoders other than the one they were made with; skipped where those are not installed."""

from __future__ import annotations

import io
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from concealer.bitstream import join_annexb
from tests.media import clip, encode_bytes
from tests.splice.test_splicer import payload_of, spliced
from tests.standins.splicing import decode, parse


def has_element(name: str) -> bool:
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and subprocess.run([inspect, name], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("element", ["avdec_h264", "openh264dec"])
@pytest.mark.parametrize("cabac", [0, 1])
def test_gstreamer_shows_the_same_samples(tmp_path: Path, element: str, cabac: int) -> None:
    if shutil.which("gst-launch-1.0") is None or not has_element(element) or not has_element("h264parse"):
        pytest.skip(f"GStreamer has no {element}")
    stream = encode_bytes(clip(16, 176, 144, seed=3), "h264", slices=4, gop=8, extra={"cabac": cabac})
    aus = parse(stream, "h264")
    # Inter pictures, and an IDR picture that loses a slice.
    payloads = [payload_of(au, {3: (1,), 8: (2,), 12: (0, 3)}.get(number, ())) for number, au in enumerate(aus)]
    units, _ = spliced(payloads)
    whole = b"".join(join_annexb(unit.nals) for unit in units)
    source, target = tmp_path / "spliced.264", tmp_path / "shown.yuv"
    source.write_bytes(whole)
    launch = f"filesrc location={source} ! h264parse ! {element} ! videoconvert ! video/x-raw,format=I420 ! "
    command = ["gst-launch-1.0", "-q", *f"{launch}filesink location={target}".split()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shown = np.fromfile(target, np.uint8).reshape(-1, 144 * 176 * 3 // 2)[:, : 144 * 176].reshape(-1, 144, 176)
    wanted = [planes[0] for planes in decode(whole, "h264")[0]]
    assert len(shown) == len(wanted) == 16
    assert all(np.array_equal(a, b) for a, b in zip(shown, wanted, strict=True))


PAGE = """<body style="margin:0">{videos}<script>
for (const v of document.querySelectorAll("video")) v.onloadeddata = () => {{ v.currentTime = v.dataset.at }};
</script>"""
FPS = 25


def chromium() -> str | None:
    """A Chromium that starts here."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        return None
    # The first start may be slow.
    started = subprocess.run([found, "--version"], capture_output=True, check=False, timeout=60)
    return found if started.returncode == 0 else None


def write_mp4(path: Path, stream: bytes) -> None:
    """A stream without B-pictures as MP4."""
    with av.open(io.BytesIO(stream), format="h264") as raw, av.open(str(path), "w") as out:
        target = out.add_stream_from_template(raw.streams.video[0])
        for number, packet in enumerate(p for p in raw.demux(raw.streams.video[0]) if p.size):
            packet.stream, packet.time_base = target, Fraction(1, FPS)
            packet.pts = packet.dts = number
            packet.duration = 1
            out.mux(packet)


def test_chromium_shows_the_decoded_pictures(tmp_path: Path) -> None:
    browser = chromium()
    if browser is None:
        pytest.skip("no Chromium here")
    width, height = 352, 288
    aus = parse(encode_bytes(clip(16, width, height, seed=3), "h264", slices=4, gop=8), "h264")
    # Inter pictures, an IDR picture that loses a slice, and one picture of which nothing arrives.
    lost = {3: (1,), 8: (2,), 12: (0, 3)}
    payloads = [payload_of(au, lost.get(number, ())) for number, au in enumerate(aus) if number != 5]
    units, _ = spliced(payloads)
    whole = b"".join(join_annexb(unit.nals) for unit in units)
    write_mp4(tmp_path / "spliced.mp4", whole)
    looked_at = (3, 5, 8, 12, 15)
    video = '<video src="spliced.mp4" muted preload="auto" style="display:block" data-at="{}"></video>'
    page = PAGE.format(videos="".join(video.format((number + 0.5) / FPS) for number in looked_at))
    (tmp_path / "page.html").write_text(page)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},{height * len(looked_at)}"]
    command += [f"--screenshot={tmp_path / 'shot.png'}", (tmp_path / "page.html").as_uri()]
    with av.open(str(tmp_path / "spliced.mp4")) as played:
        pictures = [frame.to_ndarray(format="gray") for frame in played.decode(video=0)]
    assert len(pictures) == len(aus)
    for budget in (3_000, 30_000, 100_000):  # a busy machine has not sought and decoded all when the first is taken
        subprocess.run([*command, f"--virtual-time-budget={budget}"], check=True, capture_output=True, timeout=120)
        shot = cv2.imread(str(tmp_path / "shot.png"), cv2.IMREAD_GRAYSCALE)
        assert shot is not None and shot.shape == (height * len(looked_at), width)
        found = [closest(shot[place * height : (place + 1) * height], pictures) for place in range(len(looked_at))]
        if [number for number, _, _ in found] == list(looked_at):
            break
    # Two conversions to RGB lie between; the pictures beside it differ by several levels.
    assert [number for number, _, _ in found] == list(looked_at)
    assert all(mean < 2.5 and worst < 12 for _, mean, worst in found), found


def closest(seen: np.ndarray, pictures: list[np.ndarray]) -> tuple[int, float, int]:
    """Number of the picture that is most like what was seen, its mean and its largest error."""
    errors = [np.abs(seen.astype(np.int32) - picture) for picture in pictures]
    number = int(np.argmin([error.mean() for error in errors]))
    return number, float(errors[number].mean()), int(errors[number].max())
