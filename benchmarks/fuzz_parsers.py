"""Coverage-guided fuzzing of the parsers, by atheris (extra `fuzz`): what an input reaches decides what is tried next.

python -m benchmarks.fuzz_parsers h264 --seconds 600     # until something raises, or time is up
python -m benchmarks.fuzz_parsers h264 --replay FILE     # one input again; needs no atheris

It begins with small whole files. What raises is written to the current folder as crash-..., and becomes a test.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from concealer.bitstream import Codec, StreamParser
from concealer.bitstream.transport import ContinuityChecker, RtpDepacketiser
from concealer.standins import first_slice_standin, lost_picture_standin
from pipelines.errors import ConcealError

_PIECE = 1500


def _stream(codec: Codec, data: bytes, framed: bool = False) -> None:
    """Access units of a byte stream, or of samples with lengths, and the stand-ins for what is missing of them."""
    parser = StreamParser(codec, container_framed=framed)
    units = parser.push(data[: len(data) // 2])
    units += parser.push(data[len(data) // 2 :], complete=True, truncated=framed) + parser.flush()
    before = None
    for unit in units:
        first_slice_standin(unit)
        if before is not None:
            for missing in unit.missing_before:
                lost_picture_standin(before, missing)
        before = unit


def _transport(data: bytes) -> None:
    """Counters of a transport stream; RTP payloads of both codecs."""
    checker = ContinuityChecker()
    checker.push(data)
    checker.flush()
    for codec in ("h264", "hevc"):
        depacketiser = RtpDepacketiser(codec)
        for start in range(0, len(data), _PIECE):
            depacketiser.push(b"\x80" + data[start : start + _PIECE])
        depacketiser.flush()


def _file(suffix: str) -> Callable[[bytes], None]:
    """A file as `conceal` opens it: an index is made where there is none, recordings are converted."""

    def opened(data: bytes) -> None:
        from pipelines.reading import Source

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{suffix}"
            path.write_bytes(data)
            try:
                Source(str(path)).close()
            except ConcealError as error:
                assert "\n" not in str(error)

    return opened


TARGETS: dict[str, Callable[[bytes], None]] = {
    "h264": lambda data: _stream("h264", data),
    "hevc": lambda data: _stream("hevc", data),
    "h264-samples": lambda data: _stream("h264", data, framed=True),
    "hevc-samples": lambda data: _stream("hevc", data, framed=True),
    "transport": _transport,
    "mp4": _file(".mp4"),
    "pcap": _file(".pcap"),
}
_SUFFIXES = {"h264": ".264", "hevc": ".265", "h264-samples": ".264", "hevc-samples": ".265", "transport": ".ts"}

_HEADS = (
    bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 ffff0000 01000000".replace(" ", "")) + bytes(64),
    bytes.fromhex("0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffff ffffffff 1c000000".replace(" ", "")),
    b"#!rtpplay1.0 127.0.0.1/5004\n" + bytes(64),
    b"MJR00002" + bytes(64),
)
"""Of the kinds of recordings of RTP."""


def seeds(target: str, folder: Path) -> None:
    """What to begin with: whole files, or heads of them."""
    from benchmarks.fuzz_damage import bases
    from benchmarks.streams import default_cache

    for number, head in enumerate(_HEADS if target == "pcap" else ()):
        (folder / str(number)).write_bytes(head)
    suffix = _SUFFIXES.get(target, f".{target}")
    for path in bases(default_cache() / "fuzz"):
        if path.suffix == suffix:
            (folder / path.name).write_bytes(path.read_bytes())


def _fuzz(target: str, seconds: int, corpus: Path) -> None:
    """Until something raises, or time is up. Raises ImportError without atheris."""
    import atheris

    atheris.instrument_all()
    options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-max_len=60000"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[target])
    atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_parsers", description=__doc__.split("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600, help="how long (default 600)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one input alone")
    options = parser.parse_args(arguments)
    try:
        if options.replay:
            TARGETS[options.target](options.replay.read_bytes())
            return 0
        with tempfile.TemporaryDirectory() as corpus:
            seeds(options.target, Path(corpus))
            _fuzz(options.target, options.seconds, Path(corpus))
    except ImportError:
        parser.exit(1, f"{parser.prog}: atheris is not installed: pip install 'concealer[fuzz]'\n")
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
