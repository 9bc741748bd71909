"""What the network of the zoo is worth on talking heads: with references, and where there is none.

python -m benchmarks.faces            # needs the extra `faces`: pip install 'concealer[bench,faces]'
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.channel import SLICE, Loss, transmit
from benchmarks.clips import pick, to_planes
from benchmarks.engine_tables import face_table
from benchmarks.methods import by_position, decode
from benchmarks.metrics import score
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import Encoding, Stream, default_cache, encoded
from concealer.bitstream import AccessUnit, StreamParser, join_annexb
from concealer.damage import DamageMap
from concealer.front_door import open_decoder
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import GenerativeRepair, Method, Repairer
from engines import EngineError
from engines.zoo import Zoo, open_zoo
from pipelines.errors import UsageError
from pipelines.generative import FaceLocator, open_generative

CLIPS = ("carphone", "hdtf", "retalk", "grid", "asl")
"""Those that show one talking head."""
KEY = ("clip", "damage", "seed", "network", "method")
METHODS: tuple[Method, ...] = ("motion", "auto")
SEEDS = (1, 2)
IDR_EVERY = 20
FIRST, ON_FACE = "first picture", "first picture, on the face"
_LEAST = 400
"""Samples of a hole that must lie on the face."""
_SOURCES = ("concealer", "engines/zoo/zoo.json", "pipelines/generative", "benchmarks/faces.py")

Open = Callable[[], GenerativeRepair]


class _Counted(Repairer):
    """Counts what painted, and remembers the holes."""

    def __init__(self, method: Method, network: Open, used: Counter[str]) -> None:
        super().__init__(method, None, network() if method == "auto" else None)
        self._used = used
        self.holes: list[npt.NDArray[np.bool_]] = []

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        self.holes.append(damage.hole_pixels())
        outcome = super().__call__(picture, damage, references, outlook)
        self._used[outcome.method] += 1
        self._used["with a share of the network"] += outcome.detail.get("share_of_network", 0.0) > 0
        return outcome


def in_the_stream(stream: Stream, loss: Loss, seed: int, method: Method, network: Open) -> Row:
    """Hole PSNR of a damaged stream whose holes have references."""
    used: Counter[str] = Counter()
    damaged = transmit(stream, loss, seed)
    pictures = by_position(decode(stream, damaged, _Counted(method, network, used)), len(stream.units))
    made = [None if picture is None else to_planes(picture.frame)[0] for picture in pictures]
    scores = score([planes[0] for planes in stream.clean], made, damaged.holes(stream))
    return {"hole_psnr": scores.hole_psnr, "psnr": scores.psnr, "holes": sum(map(used.__getitem__, _kinds(used)))} | {
        "used": dict(used)
    }


def without_reference(stream: Stream, method: Method, network: Open) -> dict[str, Row]:
    """Hole PSNR of the first picture, mean over the loss of every slice but the first, and of any two neighbours; of
    the holes' part on the face too, where they hold some of it."""
    codec = stream.encoding.codec
    unit = (StreamParser(codec, None).push(stream.units[0].payload, pts=0, complete=True))[0]
    numbers = range(1, len(unit.slices))
    lost = [(number,) for number in numbers] + list(itertools.pairwise(numbers))
    used: Counter[str] = Counter()
    places = {FIRST: np.ones(stream.clean[0][0].shape, bool), ON_FACE: _on_face(stream)}
    found: dict[str, list[float]] = {name: [] for name in places}
    for which in lost:
        squared, hole = _first_picture(stream, unit, which, _Counted(method, network, used))
        for name, place in places.items():
            if (hole & place).sum() >= _LEAST:
                error = squared[hole & place].mean()
                found[name].append(float(10 * np.log10(255.0**2 / max(error, 1e-3))))
    rows = {name: {"hole_psnr": float(np.mean(each)), "holes": len(each)} for name, each in found.items() if each}
    return {name: row | {"used": dict(used)} for name, row in rows.items()}


def _on_face(stream: Stream) -> npt.NDArray[np.bool_]:
    """Where the square lies that a network for faces would be shown, found in the clean picture."""
    clean = stream.clean[0]
    place = np.zeros(clean[0].shape, bool)
    for square in FaceLocator()(Picture(clean, order=0), []):
        top, left = max(0, square.top), max(0, square.left)
        place[top : max(0, square.top + square.side), left : max(0, square.left + square.side)] = True
    return place


def _first_picture(
    stream: Stream, unit: AccessUnit, lost: tuple[int, ...], repairer: _Counted
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """(squared error, hole) of the picture's luma."""
    gone = {id(unit.slices[number].nal) for number in lost}
    decoder = open_decoder(stream.encoding.codec, repairer=repairer, container_framed=True)
    pictures = decoder.decode(join_annexb([nal for nal in unit.nals if id(nal) not in gone]), pts=0) + decoder.flush()
    decoder.close()
    made, clean = to_planes(pictures[0].frame)[0].astype(np.float64), stream.clean[0][0]
    return np.square(made - clean), repairer.holes[0][: clean.shape[0], : clean.shape[1]]


def _kinds(used: Counter[str]) -> list[str]:
    return [kind for kind in used if not kind.startswith("with")]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faces", description=__doc__.split("\n")[0])
    parser.add_argument("--clips", nargs="*", default=list(CLIPS), help="names of clips (default: all talking heads)")
    parser.add_argument("--zoo", type=Path, help="networks of another zoo than the shipped one")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, default=RESULTS / "faces.json", help="results file")
    options = parser.parse_args(arguments)
    try:
        zoo = Zoo(options.zoo) if options.zoo else open_zoo()
        network = open_generative(zoo=zoo)
        clips = pick(options.clips)
    except (EngineError, UsageError, ValueError, ImportError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    name = zoo.inpainters()[0].name
    store = Store(options.out, command_line("benchmarks.faces"), KEY)
    for clip, method in itertools.product(clips, METHODS):
        stream = encoded(clip, Encoding("h264", "P", 60, slices=8), options.cache)
        often = encoded(clip, Encoding("h264", "P", 60, gop=IDR_EVERY, slices=8), options.cache)
        rows = {(name, 0): row for name, row in without_reference(stream, method, network).items()}
        rows |= {("slices", seed): in_the_stream(stream, Loss(SLICE, 0.03), seed, method, network) for seed in SEEDS}
        rows[("IDR pictures", 1)] = in_the_stream(often, Loss("idr"), 1, method, network)
        for (damage, seed), row in rows.items():
            key = {"clip": clip.name, "damage": damage, "seed": seed, "network": name, "method": method}
            store.add([rounded(key | row | {"width": stream.width, "height": stream.height, "codec": "h264",
                                            "structure": "P", "pictures": len(stream.units), "encoder": stream.writer,
                                            "sources": fingerprint(_SOURCES)})])  # fmt: skip
            print(f"{clip.name} {damage} {seed} {method}: {row['hole_psnr']:.2f} dB {row['used']}", flush=True)
    print(face_table(store.rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
