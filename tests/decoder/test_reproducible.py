"""The same damaged stream gives the same pictures in every process, whatever lies in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from concealer import Repairer, open_decoder
from concealer.bitstream import join_annexb
from tests.media import clip, encode_bytes
from tests.standins.splicing import parse

PROCESSES = 4
FRAGMENT = 120


def digest(payloads: list[bytes], lookahead: int) -> str:
    """Of all pictures; `payloads`: access units."""
    decoder = open_decoder("hevc", repairer=Repairer(), container_framed=True, lookahead=lookahead)
    assert decoder.hooked
    pictures = [picture for payload in payloads for picture in decoder.decode(payload)]
    pictures += decoder.flush()
    decoder.close()
    return hashlib.sha256(b"".join(picture.frame.to_ndarray().tobytes() for picture in pictures)).hexdigest()


def shortened(bframes: int) -> list[bytes]:
    """One slice a picture, of which fragments are lost and the gaps closed: the decoder runs out of bytes."""
    chance = random.Random(bframes)

    def cut(data: bytes, number: int) -> bytes:
        pieces = [data[at : at + FRAGMENT] for at in range(0, len(data), FRAGMENT)]
        return b"".join(pieces[:1] + [piece for piece in pieces[1:] if not number or chance.random() > 0.1])

    return _changed(cut, slices=1, bframes=bframes)


def corrupt() -> list[bytes]:
    """Slices with wrong bytes in every fourth picture, the first among them, and every fourth picture lost."""
    chance = random.Random(1)

    def spoil(data: bytes, number: int) -> bytes:
        spoilt = bytearray(data)
        for _ in range(3 if number % 4 == 0 else 0):
            spoilt[chance.randrange(min(60, len(data) - 1), len(data))] ^= 255
        return bytes(spoilt)

    return [payload for number, payload in enumerate(_changed(spoil, slices=4, gop=6)) if number % 4 != 3]


def _changed(change: Any, **options: Any) -> list[bytes]:
    data = encode_bytes(clip(14, 352, 288, seed=4), "hevc", crf=26, extra={"ctu": 16}, **options)
    payloads = []
    for number, au in enumerate(parse(data, "hevc")):
        slices = {id(piece.nal) for piece in au.slices}
        nals = [replace(nal, data=change(nal.data, number)) if id(nal) in slices else nal for nal in au.nals]
        payloads.append(join_annexb(nals))
    return payloads


def test_in_every_process(tmp_path: Path) -> None:
    path = tmp_path / "payloads.json"
    streams = [shortened(0), shortened(2), corrupt()]
    path.write_text(json.dumps([[base64.b64encode(payload).decode() for payload in one] for one in streams]))
    seen = set()
    for number in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-m", "tests.decoder.test_reproducible", str(path)],
            # What malloc hands out is filled with another byte in each.
            env=os.environ | {"MALLOC_PERTURB_": str(60 * number)},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert len(seen.pop().split()) == 6


if __name__ == "__main__":
    for stream in json.loads(Path(sys.argv[1]).read_text()):
        payloads = [base64.b64decode(payload) for payload in stream]
        print(*(digest(payloads, lookahead) for lookahead in (0, 2)))
