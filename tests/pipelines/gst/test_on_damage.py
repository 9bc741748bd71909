"""`on-damage` and `min-confidence` of concealdec: damage in the middle of a stream."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from concealer.bitstream import StreamParser, join_annexb
from tests.media import Codec, clip, encode_bytes
from tests.pipelines.gst.running import Outcome, au_source, push_all, run

CODECS = get_args(Codec)
GOP, PICTURES, HIT = 20, 50, 26
TOUCHED = range(HIT, 2 * GOP)


def _run(codec: Codec, options: str) -> Outcome:
    """The slice of picture `HIT` is cut in its middle; all up to the next IDR picture are predicted from it."""
    parser = StreamParser(codec)
    data = encode_bytes(clip(PICTURES), codec, gop=GOP, crf=22)
    payloads = [join_annexb(unit.nals) for unit in [*parser.push(data), *parser.flush()]]
    payloads[HIT] = payloads[HIT][: len(payloads[HIT]) // 2]
    units = [(payload, number) for number, payload in enumerate(payloads)]
    result = run(f"{au_source(codec)} ! concealdec name=dec {options} ! appsink name=out", push_all(units))
    assert not result.errors
    return result


def _flagged(result: Outcome) -> list[int]:
    from pipelines.gst.bindings import Gst

    flags = zip(result.positions, result.buffers, strict=True)
    return [position for position, out in flags if out.flags & Gst.BufferFlags.CORRUPTED]


@pytest.mark.parametrize("codec", CODECS)
def test_hold_shows_the_last_untouched_picture_flagged(codec: Codec) -> None:
    result = _run(codec, "on-damage=hold")
    assert result.positions == list(range(PICTURES))
    for position in TOUCHED:
        assert np.array_equal(result.buffers[position].luma, result.buffers[HIT - 1].luma)
    assert _flagged(result) == list(TOUCHED)
    assert result.stats["held"] == len(TOUCHED)
    assert result.stats["keyframe-requests"] >= 1


@pytest.mark.parametrize("codec", CODECS)
def test_drop_leaves_out_what_damage_touches(codec: Codec) -> None:
    result = _run(codec, "on-damage=drop")
    assert result.positions == [position for position in range(PICTURES) if position not in TOUCHED]
    assert result.stats["dropped"] == len(TOUCHED)


def test_the_least_confidence_says_what_is_shown_all_the_same() -> None:
    for options in ("on-damage=hold min-confidence=0", "on-damage=conceal"):
        result = _run("h264", options)
        assert result.positions == list(range(PICTURES))
        assert _flagged(result) == []
        assert result.stats["held"] == result.stats["dropped"] == 0
