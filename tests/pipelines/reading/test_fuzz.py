"""Garbage in what containers say of themselves: no traceback, no hang, nothing lost in silence.

CONCEALER_FUZZ_SEEDS=200 tries more than the few seeds of every run.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concealer.bitstream.transport import ContinuityChecker, Renumbering
from pipelines.cli import main
from pipelines.reading.boxes import BoxMap
from pipelines.reading.reached import Reached
from tests.media import clip, encode_file
from tests.pipelines.test_real_files import played

SEEDS = int(os.environ.get("CONCEALER_FUZZ_SEEDS", "4"))
PICTURES = 24
TOLD = ("not read", "passed over", "reading stopped", "not shown", "left out", "dropped")
"""Words of which one is said where something is missing."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    frames = clip(PICTURES)
    for name in ("whole.ts", "whole.mp4", "whole.mkv", "whole.flv"):
        encode_file(folder / name, frames, bframes=2, gop=12, audio=True)
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    encode_file(folder / "fragments.mp4", frames, gop=6, audio=True, muxer_options=fragmented)
    encode_file(folder / "clusters.mkv", frames, gop=6, audio=True, muxer_options={"cluster_time_limit": "240"})
    return folder


def _ts_headers(data: bytes) -> list[int]:
    """Places in the headers of packets, of PES packets, and in tables."""
    places: list[int] = []
    for at in range(0, len(data), 188):
        places += range(at, at + 4)
        if data[at + 1] & 0x40:
            places += range(at + 4, at + 40)
    return places


def _box_headers(data: bytes) -> list[int]:
    """Places outside of media data."""
    boxes = BoxMap(io.BytesIO(data), len(data)).boxes  # type: ignore[arg-type]
    return [at for box in boxes for at in range(box.start, box.start + 8 if box.kind == b"mdat" else box.end)]


def _element_headers(data: bytes) -> list[int]:
    """Places before the first cluster, and at the start of each."""
    places = list(range(data.find(b"\x1f\x43\xb6\x75")))
    at = len(places)
    while at >= 0:
        places += range(at, min(at + 24, len(data)))
        at = data.find(b"\x1f\x43\xb6\x75", at + 1)
    return places


def _tag_headers(data: bytes) -> list[int]:
    places = list(range(13))
    at = 13
    while at + 15 < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        places += range(at, at + 16)
        at += 11 + size + 4
    return places


HEADERS: dict[str, Callable[[bytes], list[int]]] = {
    "whole.ts": _ts_headers,
    "whole.mp4": _box_headers,
    "fragments.mp4": _box_headers,
    "whole.mkv": _element_headers,
    "clusters.mkv": _element_headers,
    "whole.flv": _tag_headers,
}


def mutated(data: bytes, places: list[int], seed: int) -> bytes:
    """Bits flipped, bytes replaced, zeroed, taken out or doubled, where the container speaks of itself."""
    dice, made = random.Random(seed), bytearray(data)
    kind = seed % 5
    for _ in range(dice.choice([1, 1, 3, 12])):
        at = min(dice.choice(places), len(made) - 1)
        if kind == 0:
            made[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            made[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
        elif kind == 2:
            made[at : at + 8] = bytes(len(made[at : at + 8]))
        elif kind == 3:
            del made[at : at + dice.choice([1, 4, 188])]
        else:
            made[at:at] = made[at : at + dice.choice([1, 4, 188])]
    return bytes(made)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("name", HEADERS)
def test_damaged_headers(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, seed: int) -> None:
    data = (files / name).read_bytes()
    source = tmp_path / name
    source.write_bytes(mutated(data, HEADERS[name](data), seed))
    out = tmp_path / f"out{source.suffix}"
    code = main(["--preset", "ultrafast", str(source), str(out)])
    said = capsys.readouterr().err.splitlines()
    if code:
        assert code in (3, 4) and "Error)" not in said[-1], said
        assert list(tmp_path.iterdir()) == [source]
        return
    ours, stock = played(out), played(source)
    text = "\n".join(said)
    assert ours.pictures >= stock.pictures or any(word in text for word in TOLD), (ours, stock, said)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=400), st.just(b"\0\0\1\0moof"), st.just(b"\0\0\0\x10mdat")), max_size=12))
def test_boxes_of_garbage(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    boxes = BoxMap(io.BytesIO(data), len(data))  # type: ignore[arg-type]
    ends = [0, *(box.end for box in boxes.boxes)]
    assert all(box.start >= end and box.end <= len(data) for end, box in zip(ends, boxes.boxes, strict=False))
    assert all(place >= 0 and place + len(new) <= len(data) for place, new in boxes.patches.items())


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.tuples(st.integers(-5, 4000), st.integers(0, 500)), max_size=8))
def test_places_of_garbage(tmp_path_factory: pytest.TempPathFactory, data: bytes, spans: list[tuple[int, int]]) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(data * 8)
    reached = Reached()
    for place, size in spans:
        reached.add(place, size)
    for kind in ("mov,mp4,m4a,3gp,3g2,mj2", "flv", "matroska,webm", "avi"):
        assert 0 <= reached.unread(str(path), kind) <= len(data) * 8


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=187, max_size=187), max_size=12), st.integers(1, 500))
def test_transport_of_garbage(payloads: list[bytes], step: int) -> None:
    data = b"".join(b"\x47" + payload for payload in payloads)
    checker, renumbering = ContinuityChecker(), Renumbering()
    passed = b""
    for at in range(0, len(data), step):
        passed += renumbering.push(data[at : at + step])
        checker.push(data[at : at + step])
    assert len(passed + renumbering.flush()) == len(data)
    checker.flush()
