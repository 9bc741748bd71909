"""The table of formats."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, distinct, markdown, mean, number, select

FORMATS_HEAD = """\
Two clips, 50 pictures, keyint 50. *slices 3 %*: whole slices of many lost (8 a picture in H.264, 4 in HEVC); \
*rtp 1 %*: RTP packets of 1200 bytes lost of one slice a picture, what arrived closed up in an MP4 file. Conformance \
streams have the slices that they have. PSNR-Y, over the better of FFmpeg's two outputs; a picture that never came \
out counts as the one before. One that was lost whole at the end of a stream leaves nothing to know it by, and is \
missing in *pictures*."""


def formats_table(rows: Sequence[Row]) -> str:
    """Gain over the better of FFmpeg's outputs by format: luma, chroma, the worst stream, pictures that came out."""
    lines = []
    for form in distinct(rows, "format"):
        for codec in CODEC_NAMES:
            for way in distinct(rows, "way"):
                part = select(rows, format=form, codec=codec, way=way)
                if not part:
                    continue
                chroma = None if "gray" in part[0]["pix_fmt"] else mean([row["gain_chroma"] for row in part])
                lines.append(
                    [
                        form,
                        CODEC_NAMES[codec],
                        way,
                        number(mean([max(row["stock"], row["corrupt"]) for row in part]), 1),
                        number(mean([row["ours"] for row in part]), 1),
                        f"{mean([row['gain'] for row in part]):+.2f}",
                        f"{min(row['gain'] for row in part):+.2f}",
                        "-" if chroma is None else f"{chroma:+.2f}",
                        f"{sum(row['pictures_out'] for row in part)} of {sum(row['pictures_in'] for row in part)}",
                    ]
                )
    head = ["format", "", "way", "FFmpeg, dB", "conceal, dB", "gain", "worst stream", "gain in chroma", "pictures"]
    return markdown(head, lines)
