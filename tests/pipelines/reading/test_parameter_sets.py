"""Streams whose parameter sets stand in a session description."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from concealer.bitstream import nal_type, split_annexb
from pipelines import InputError, Settings, conceal_file
from pipelines.cli import main
from pipelines.reading.parameter_sets import PrefixedFile, of_description
from tests.media import decode_luma

SETS = {"h264": (7, 8), "hevc": (32, 33, 34)}


def _description(stream: bytes, codec: str) -> str:
    sets: dict[int, str] = {}
    for nal in split_annexb(stream):
        kind = nal_type(codec, nal)  # type: ignore[arg-type]
        if kind in SETS[codec]:
            sets.setdefault(kind, base64.b64encode(nal.data).decode())
    if codec == "h264":
        return f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets[7]},{sets[8]}\r\n"
    return f"a=fmtp:96 sprop-vps={sets[32]};sprop-sps={sets[33]};sprop-pps={sets[34]}\r\n"


def _without(stream: bytes, codec: str) -> bytes:
    parts = re.split(b"(?=\x00\x00\x01)", stream)
    kinds = SETS[codec]
    return b"".join(
        part for part in parts if len(part) < 4 or (part[3] & 31 if codec == "h264" else part[3] >> 1 & 63) not in kinds
    )


@pytest.mark.parametrize("way", ["copy", "splice", "encode"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_parameter_sets_from_a_description(media: Path, tmp_path: Path, codec: str, way: str) -> None:
    suffix = ".264" if codec == "h264" else ".265"
    whole = media / f"{codec}{suffix}"
    source, sdp = tmp_path / f"in{suffix}", tmp_path / "session.sdp"
    source.write_bytes(_without(whole.read_bytes(), codec))
    sdp.write_text("v=0\r\n" + _description(whole.read_bytes(), codec))
    out = tmp_path / f"out{suffix}"
    settings = Settings(sdp=str(sdp), output="splice" if way == "splice" else "auto", always_encode=way == "encode")
    assert conceal_file(source, out, settings).pictures == 24
    shown = decode_luma(out)
    assert len(shown) == 24
    if way != "encode":
        assert all((ours == clean).all() for ours, clean in zip(shown, decode_luma(whole), strict=True))


def test_a_description_without_parameter_sets_is_one_line(
    media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sdp = tmp_path / "session.sdp"
    sdp.write_text("v=0\r\n")
    assert main(["--sdp", str(sdp), str(media / "h264.264"), str(tmp_path / "out.264")]) == 3
    assert "names no parameter sets" in capsys.readouterr().err
    with pytest.raises(InputError, match="No such file"):
        of_description(str(tmp_path / "none.sdp"))
    sdp.write_text("a=fmtp:96 sprop-parameter-sets=Z0,A\r\n")
    with pytest.raises(InputError, match="base64"):
        of_description(str(sdp))


def test_a_prefixed_file_is_read_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"456789")
    file = PrefixedFile(str(path), b"0123")
    assert file.read() == b"0123456789" and file.read(5) == b""
    assert file.seek(2) == 2 and file.read(4) == b"2345" and file.tell() == 6
    assert file.seek(-1, 2) == 9 and file.read() == b"9"
    file.close()
