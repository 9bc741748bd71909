"""Does concealer leave whole streams as FFmpeg decodes them? fluster's vectors, and any byte streams at hand.

python -m benchmarks.conformance [FOLDER ...]     # vectors of fluster's suites and other .264, .265 files there
python -m benchmarks.conformance --fluster run -ts JVT-AVC_V1 -d concealer-H.264 PyAV-H.264    # fluster's own command

The first holds every stream's pictures against the MD5 of the suite, where one of its vectors has the file's name, and
against libav without the hook. Needs fluster-conformance (extra `bench`); its command downloads whole suites.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clips import clip_folder
from benchmarks.conformance_decoders import WHICH, in_child
from benchmarks.conformance_tables import conformance_table
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from concealer.bitstream import Codec

KEY = ("file", "suite")
SUFFIXES: dict[str, Codec] = {
    **dict.fromkeys((".264", ".h264", ".avc", ".jsv", ".26l", ".jvt"), "h264"),
    **dict.fromkeys((".265", ".h265", ".hevc", ".bit"), "hevc"),
}
FOLDERS = ("damaged_streams", "eval_video")
_TIMEOUT = 600.0


@dataclass(frozen=True)
class Vector:
    """A byte stream, and what its pictures are to be."""

    path: Path
    codec: Codec
    suite: str = ""
    """Of fluster; "": none knows the stream."""
    md5: str = ""
    pixel_format: str = "None"


def suites_folder() -> Path:
    """Where fluster's suites are installed. Raises ImportError."""
    from fluster.main import Main

    return Path(Main().test_suites_dir)


def find(folders: Sequence[Path]) -> Iterator[Vector]:
    """Every byte stream of the folders, by name; with the suite's MD5 where a suite has it. Raises ImportError."""
    known = {Path(vector["input_file"]).name: vector for vector in _vectors()}
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        codec = SUFFIXES.get(path.suffix.lower())
        vector = known.get(path.name)
        if vector is not None and codec is not None:
            yield Vector(path, codec, vector["suite"], vector["result"], vector["output_format"])
        elif codec is not None:
            yield Vector(path, codec)


def _vectors() -> Iterator[dict[str, Any]]:
    from fluster.test_suite import TestMethod, TestSuite

    for path in sorted(suites_folder().rglob("h.26[45]/*.json")):
        suite = TestSuite.from_json_file(str(path), "")
        for vector in suite.test_vectors.values() if suite.test_method is TestMethod.MD5 else ():
            yield {
                "suite": suite.name,
                "input_file": vector.input_file,
                "result": vector.result.lower(),
                "output_format": vector.output_format.value,
            }


def measure(vector: Vector) -> Row:
    """Both decoders on one stream."""
    row: Row = {"file": vector.path.name, "suite": vector.suite, "codec": vector.codec, "expected": vector.md5}
    for which in WHICH:
        try:
            found = in_child(which, vector.codec, vector.path, vector.pixel_format, _TIMEOUT)
        except RuntimeError as error:
            found = {"error": str(error)}
        row |= {f"{which}_{name}": value for name, value in found.items()}
    return row


def _fluster(arguments: Sequence[str]) -> None:
    """fluster's own command, with these decoders beside its own."""
    from fluster.main import Main

    import benchmarks.fluster_decoders  # noqa: F401  (makes them known)

    sys.argv = ["fluster", *arguments]
    Main().run()


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance", description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders of byte streams (default: the shared data)")
    parser.add_argument("--fluster", action="store_true", help="what follows is fluster's command")
    parser.add_argument("--out", type=Path, default=RESULTS / "conformance.json", help="results file")
    try:
        if given[:1] == ["--fluster"]:
            _fluster(given[1:])
            return 0
        options = parser.parse_args(given)
        shared = clip_folder()
        folders = options.folders or ([shared.parent / name for name in FOLDERS] if shared else [])
        vectors = list(find(folders))
    except ImportError as error:
        parser.exit(1, f"{parser.prog}: {error}: pip install 'concealer[bench]'\n")
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    if not vectors:
        parser.exit(1, f"{parser.prog}: no byte streams in {', '.join(map(str, folders)) or 'no folder at all'}\n")
    store = Store(options.out, command_line("benchmarks.conformance"), KEY)
    sources = fingerprint(("concealer", "benchmarks/conformance.py", "benchmarks/conformance_decoders.py"))
    for vector in vectors:
        row = measure(vector)
        store.add([row | {"sources": sources}])
        print(f"{vector.path.name}: {row}", file=sys.stderr, flush=True)
    print(conformance_table(store.rows))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
