"""The gallery of real pictures, before and after: docs/gallery.md and docs/images/gallery-*.jpg.

python -m benchmarks.gallery

Of each recording the picture that the report calls the worst, whatever became of it; no seed is picked.
"""

from __future__ import annotations

import base64
import html
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import clip_folder
from benchmarks.metrics import psnr_of, squared_error
from pipelines.cli import main as conceal
from pipelines.damage_cli import main as damage

DOCS = Path(__file__).resolve().parent.parent / "docs"
_SEED, _GAP = 1, 6


@dataclass(frozen=True)
class Exhibit:
    """One recording, and how it is damaged."""

    name: str
    file: str
    credit: str
    told: str
    damage: tuple[str, ...]
    codec: str = "h264"
    """What it is encoded as first, if not as it is."""


EXHIBITS = (
    Exhibit(
        "bedroom-hevc",
        "sam2_bedroom.mp4",
        "SA-V, Meta, CC BY 4.0",
        "HEVC, 960x540; 1 % of RTP packets lost in bursts of 3",
        ("--model", "rtp", "--rate", "0.01", "--burst", "3"),
        "hevc",
    ),
    Exhibit(
        "bedroom",
        "sam2_bedroom.mp4",
        "SA-V, Meta, CC BY 4.0",
        "H.264, 960x540, a slice a picture; 3 % of the pictures lost whole",
        ("--model", "picture", "--rate", "0.03"),
    ),
    Exhibit(
        "signer",
        "asl_book.mkv",
        "Intel IoT DevKit sample videos, CC BY 4.0",
        "H.264, 640x480; 2 % of RTP packets lost in bursts of 3",
        ("--model", "rtp", "--rate", "0.02", "--burst", "3"),
    ),
    Exhibit(
        "cups",
        "sam2_02_cups.mp4",
        "SA-V, Meta, CC BY 4.0",
        "H.264, 1280x720, a slice a picture; 1 % of RTP packets lost in bursts of 3",
        ("--model", "rtp", "--rate", "0.01", "--burst", "3"),
    ),
)
_HEAD = (
    "# Gallery\n\nReal recordings, damaged by `conceal-damage` with seed 1. Of each the picture that the "
    "[report](report.md#the-page) calls the worst: not the best that can be shown, but the picture in which most is "
    "expected to be wrong without repair. Left what FFmpeg's decoder shows, right what `conceal` does. "
    "`python -m benchmarks.gallery` makes this page.\n"
)


def show(exhibit: Exhibit, folder: Path, work: Path) -> str:
    """Write the picture; its part of the page. Raises RuntimeError where a command fails."""
    source, hurt, report = folder / exhibit.file, work / f"{exhibit.name}.mkv", work / f"{exhibit.name}.html"
    if exhibit.codec == "hevc":
        made = work / "made.mkv"
        words = ["--always-encode", "--encoder", "libx265", "--crf", "24", "--preset", "fast", "-y", "-q"]
        _do(conceal([str(source), str(made), *words]))
        source = made
    hurt = hurt.with_suffix(source.suffix)
    _do(damage([str(source), str(hurt), *exhibit.damage, "--seed", str(_SEED), "-q"]))
    _do(conceal([str(hurt), str(work / f"out-{hurt.name}"), "--report", str(report), "-q"]))
    text = report.read_text()
    before, after = (_picture(data) for data in re.findall(r'href="data:image/jpeg;base64,([^"]+)"', text)[:2])
    gap = np.full((before.shape[0], _GAP, 3), 255, np.uint8)
    name = f"images/gallery-{exhibit.name}.jpg"
    cv2.imwrite(str(DOCS / name), np.hstack([before, gap, after]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    found = re.search(r"<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    caption = _text((found[1] if found else "").replace("<br>", ": "))
    verdict = re.search(r'<p class="verdict">(.*?)</p>', text, re.DOTALL)
    told = f"{_text(verdict[1] if verdict else '')} At {caption}"
    seconds = sum(60**place * float(part) for place, part in enumerate(reversed(caption.split()[0].split(":"))))
    clean, plain, ours = (_luma(path, seconds) for path in (source, hurt, work / f"out-{hurt.name}"))
    both = [f"{psnr_of(squared_error(one, clean), clean.size):.1f} dB" for one in (plain, ours)]
    figures = f"PSNR-Y against the undamaged picture: {both[0]} before, {both[1]} after."
    return f"\n## {exhibit.told}\n\n![Before and after]({name})\n\n{told} {figures}\n\nClip: {exhibit.credit}.\n"


def _text(markup: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", markup).split())).replace(" : ", ": ")


def _luma(path: Path, seconds: float) -> npt.NDArray[np.uint8]:
    """Of what a plain decoder shows of a file so many seconds behind its first picture."""
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"flags": "+output_corrupt"}
        first: float | None = None
        shown: av.VideoFrame | None = None
        for frame in opened.decode(stream):
            time = float(frame.time or 0.0)
            first = time if first is None else first
            if time > first + seconds + 0.005 and shown is not None:
                break
            shown = frame
        assert shown is not None
        return np.asarray(shown.to_ndarray(format="gray"), np.uint8)


def _do(code: int) -> None:
    if code:
        raise RuntimeError(f"a command ended with {code}")


def _picture(data: str) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR))


def main() -> int:
    folder = clip_folder()
    if folder is None:
        print("no evaluation clips here: set CONCEALER_SHARED")
        return 1
    with tempfile.TemporaryDirectory() as work:
        parts = [show(exhibit, folder, Path(work)) for exhibit in EXHIBITS]
    (DOCS / "gallery.md").write_text(_HEAD + "".join(parts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
