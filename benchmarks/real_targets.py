"""What is asked of the real profile: no harm on any stream, and a gain on the mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, mean, select

_MOST_BELOW, _BELOW, _SHARE_BELOW = 0.2, 0.05, 0.02
_WANTED = {("h264", "rtp", 0.03): 2.5, ("hevc", "rtp", 0.03): 5.0, ("h264", "ts", 0.01): 3.0, ("hevc", "ts", 0.01): 5.0}
"""Mean gain by codec, way and rate, in dB."""


def real_verdicts(rows: Sequence[Row]) -> Iterator[tuple[str, str, bool]]:
    """(target, measured, met) of the ways that have targets."""
    judged = [row for row in rows if row["way"] in ("rtp", "ts")]
    if not judged:
        return
    worst = min(judged, key=lambda row: float(row["gain"]))
    name = (
        f"{worst['clip']}, {CODEC_NAMES[worst['codec']]} {worst['structure']}, {worst['way']} {100 * worst['rate']:g} %"
    )
    too_low = sum(row["gain"] < -_MOST_BELOW for row in judged)
    measured = (
        f"{too_low} of {len(judged)} streams, the worst by {-worst['gain']:.2f} dB ({name}, seed {worst['seed']})"
    )
    yield f"one slice a picture: no stream more than {_MOST_BELOW} dB below FFmpeg", measured, not too_low
    below = sum(row["gain"] < -_BELOW for row in judged)
    target = (
        f"one slice a picture: at most {100 * _SHARE_BELOW:.0f} % of the streams more than {_BELOW} dB below FFmpeg"
    )
    yield target, f"{100 * below / len(judged):.1f} % of {len(judged)}", below <= _SHARE_BELOW * len(judged)
    for (codec, way, rate), wanted in _WANTED.items():
        gains = [row["gain"] for row in select(judged, codec=codec, way=way, rate=rate)]
        gain = mean(gains)
        if gain is not None:
            kind = f"{way} {100 * rate:g} %, {CODEC_NAMES[codec]}"
            target = f"one slice a picture, {kind}: mean gain at least {wanted:+.1f} dB"
            yield target, f"{gain:+.2f} dB ({len(gains)} streams)", gain >= wanted
