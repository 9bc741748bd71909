"""Spliced streams in decoders other than the one they were made with; skipped where GStreamer has none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from concealer.bitstream.nal import join_annexb
from tests.bitstream.splicing import decode, parse
from tests.media import clip, encode_bytes
from tests.splice.test_splicer import payload_of, spliced


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
