"""Tables and targets of the splice benchmark from rows as the benchmark writes them."""

from __future__ import annotations

from benchmarks.splice_tables import splice_tables, splice_verdicts
from benchmarks.store import Row


def row(clip: str, seed: int, spliced: float, kept: int = 40) -> Row:
    return {
        "measure": "quality",
        "clip": clip,
        "codec": "h264",
        "structure": "P",
        "seed": seed,
        "ffmpeg_psnr": 30.0,
        "hooked_psnr": 35.0,
        "spliced_psnr": spliced,
        "received": 40,
        "kept_identical": kept,
        "bytes_in": 1000,
        "bytes_clean": 1100,
        "bytes_out": 1210,
    }


SPEED: Row = {
    "measure": "speed",
    "clip": "cups-720p",
    "codec": "h264",
    "structure": "B",
    "width": 1280,
    "height": 720,
    "length": 900,
    "lookahead": 2,
    "seconds": 12.0,
    "real_time": 2.5,
}


def test_means_differences_and_growth() -> None:
    rows = [row("foreman", 1, 34.9), row("foreman", 2, 35.1), row("city", 1, 34.8), row("city", 2, 34.8), SPEED]
    text = "\n".join(splice_tables(rows))
    assert "| foreman | 30.00 | 35.00 | 35.00 | +0.00 | +21.0% | +10.0% |" in text
    assert "| city | 30.00 | 35.00 | 34.80 | -0.20 |" in text
    assert "**-0.10**" in text and "| 2 | 900 | 12.0 | 2.50 |" in text


def test_refused_streams_are_named_and_not_counted() -> None:
    refused = row("flower", 1, 0.0) | {"refused": "tiles"}
    text = "\n".join(splice_tables([row("foreman", 1, 35.0), refused]))
    assert "Refused (tiles): 1 streams (flower H.264 IPPP)." in text and "| flower |" not in text


def test_targets_judge_the_worst_clip_identity_and_speed() -> None:
    good = [row("foreman", 1, 34.95), row("city", 1, 35.2)]
    assert [met for _, _, met in splice_verdicts(good)] == [True, True]
    bad = [row("foreman", 1, 34.95), row("city", 1, 34.85), row("asl", 1, 35.0, kept=39), SPEED]
    told = list(splice_verdicts(bad))
    assert [met for _, _, met in told] == [False, False, False]
    assert "-0.15 dB (city)" in told[0][1] and told[1][1] == "119 of 120"
