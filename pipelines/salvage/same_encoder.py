"""x264 writes its settings into the first picture: asked again with them, it writes the same parameter sets."""

from __future__ import annotations

import re
from fractions import Fraction

from concealer.bitstream import NalUnit
from pipelines.salvage.asking import asked

_MARK = b"x264 - core "
_OPTION = re.compile(r"(\S+?)=(\S+)")
_LONGEST = 2048
_TAKEN = {
    "cabac": "cabac", "ref": "ref", "8x8dct": "8x8dct", "bframes": "bframes", "b_pyramid": "b-pyramid",
    "weightb": "weightb", "weightp": "weightp", "keyint": "keyint", "interlaced": "interlaced",
    "constrained_intra": "constrained-intra", "crf": "crf", "qp": "qp", "bitrate": "bitrate", "open_gop": "open-gop",
    "intra_refresh": "intra-refresh", "deblock": "deblock", "trellis": "trellis", "keyint_min": "min-keyint",
    "bluray_compat": "bluray-compat", "subme": "subme", "vbv_maxrate": "vbv-maxrate", "vbv_bufsize": "vbv-bufsize",
}  # fmt: skip
"""x264's name of an option by what its message calls it; those that parameter sets hang on."""
SIDE = 256
_ANY_RATE = Fraction(25)


def settings_of(data: memoryview, start: int, end: int) -> str | None:
    """What x264 says of its settings within data[start:end]; None if it says nothing."""
    window = 1 << 24
    for base in range(start, end, window):
        block = bytes(data[base : min(base + window + _LONGEST, end)])
        found = block.find(_MARK)
        if 0 <= found < window:
            text = block[found : found + _LONGEST].split(b"\x00", 1)[0].split(b"\x80", 1)[0]
            return text.decode("ascii", "replace")
    return None


def sets_for(
    settings: str, pixel_format: str = "yuv420p", rate: Fraction = _ANY_RATE, width: int = SIDE
) -> list[NalUnit]:
    """The parameter sets that x264 writes with these settings, for a small picture; [] if it cannot be asked.

    rate: pictures a second, which x264 does not tell. width: of that picture; it counts with intra refresh only.
    """
    options = dict(_OPTION.findall(settings.partition("options:")[2]))
    given = {_TAKEN[name]: value for name, value in options.items() if name in _TAKEN}
    given["deblock"] = given.get("deblock", "1:0:0").partition(":")[2] or "0,0"
    given["deblock"] = given["deblock"].replace(":", ",")
    if options.get("deblock", "1").startswith("0"):
        given["no-deblock"] = "1"
    given["psy"] = options.get("psy", "1")
    if "psy_rd" in options:
        given["psy-rd"] = options["psy_rd"].replace(":", ",")
    offset = _chroma_offset(options)
    if options.get("interlaced") in ("tff", "bff"):
        given.pop("interlaced")
        given[options["interlaced"]] = "1"
    params = ":".join(f"{name}={value}" for name, value in given.items())
    params += f":chroma-qp-offset={offset}" if offset else ""
    return asked("libx264", {"x264-params": params}, pixel_format, (width, SIDE), rate)


def _chroma_offset(options: dict[str, str]) -> int:
    """What was asked for: x264 tells the sum of that and its own correction for psychovisual decisions."""
    try:
        told = int(options.get("chroma_qp_offset", "0"))
        if options.get("psy") == "1" and int(options.get("subme", "0")) >= 6:
            rd, _, trellis = options.get("psy_rd", "1.00:0.00").partition(":")
            told += (2 if float(rd) > 0.25 else 1) if float(rd) > 0 else 0
            if options.get("trellis") != "0":
                told += (2 if float(trellis or 0) > 0.25 else 1) if float(trellis or 0) > 0 else 0
        return told
    except ValueError:
        return 0
