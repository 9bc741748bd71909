"""Do samples outside the hole stay as the decoder made them? The answer must be 0 differing samples.

python -m benchmarks.untouched [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.channel import SLICE, Damaged, Loss, transmit
from benchmarks.clips import pick, to_planes
from benchmarks.methods import decode
from benchmarks.product import product_repairer
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import COMBINATIONS, Encoding, Stream, default_cache, encoded
from benchmarks.tables import untouched_table
from concealer.damage import DamageMap
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer

KEY = ("clip", "codec", "structure", "settings", "pictures", "model", "rate", "detail", "seed")


class Watched(Repairer):
    """A repairer whose every call is checked: all planes before and after, outside the hole."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0
        self.samples = 0
        """Samples outside holes that were compared."""
        self.differing = 0

    def paint(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None
    ) -> RepairOutcome:
        """What is watched."""
        return super().__call__(picture, damage, references, outlook)

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        before = [plane.copy() for plane in picture.planes]
        others = [plane.copy() for reference in references for plane in reference.planes]
        outcome = self.paint(picture, damage, references, outlook)
        self.pictures += 1
        for index, (old, new) in enumerate(zip(before, picture.planes, strict=True)):
            shift = picture.chroma_shift() if index else (0, 0)
            outside = ~damage.hole_pixels(*shift)[: new.shape[0], : new.shape[1]]
            self.samples += int(np.count_nonzero(outside))
            self.differing += int(np.count_nonzero((old != new) & outside))
        after = [plane for reference in references for plane in reference.planes]
        self.differing += sum(int(np.count_nonzero(a != b)) for a, b in zip(others, after, strict=True))
        return outcome


def first_hole(stream: Stream, damaged: Damaged) -> tuple[int, int]:
    """(samples compared, samples differing) outside the first hole in decoding order.

    Compared are the repaired picture as put out and the same picture decoded without repair. No damage lies
    before it, so they must be the same.
    """
    repaired = {p.pts: p for p in decode(stream, damaged, product_repairer()) if p.in_loop}
    plain = {p.pts: p for p in decode(stream, damaged, None)}
    holes = [p for p in repaired.values() if p.damage.any_hole and p.pts in plain]
    if not holes:
        return 0, 0
    picture = min(holes, key=lambda p: p.index)
    samples = differing = 0
    planes = zip(to_planes(picture.frame), to_planes(plain[picture.pts].frame), strict=True)
    for index, (ours, theirs) in enumerate(planes):
        shift = int(index > 0)
        outside = ~picture.damage.hole_pixels(shift, shift)[: ours.shape[0], : ours.shape[1]]
        samples += int(np.count_nonzero(outside))
        differing += int(np.count_nonzero((ours != theirs) & outside))
    return samples, differing


def measure(stream: Stream, loss: Loss, seed: int) -> Row:
    """Both checks on one damaged stream."""
    damaged = transmit(stream, loss, seed)
    watched = Watched()
    decode(stream, damaged, watched)
    samples, differing = first_hole(stream, damaged)
    return {
        "clip": stream.clip.name,
        "codec": stream.encoding.codec,
        "structure": stream.encoding.structure,
        "settings": stream.encoding.settings,
        "pictures": stream.encoding.pictures,
        "model": loss.model,
        "rate": loss.rate,
        "detail": loss.detail,
        "seed": seed,
        "repaired_pictures": watched.pictures,
        "samples": watched.samples + samples,
        "differing": watched.differing + differing,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.untouched", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two clips, 24 pictures")
    parser.add_argument("--clips", nargs="*", default=[], help="names of clips (default: all at hand)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/untouched.json)")
    options = parser.parse_args(arguments)
    clips, pictures = pick(options.clips), 60
    if options.quick:
        clips, pictures = clips[:2], 24
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "untouched.json"
    store = Store(out, command_line("benchmarks.untouched"), KEY)
    sources = fingerprint(("concealer", "benchmarks/untouched.py"))
    for clip in clips:
        for codec, structure in COMBINATIONS:
            stream = encoded(clip, Encoding(codec, structure, pictures), options.cache)
            store.add([measure(stream, Loss(SLICE, 0.03), seed=1) | {"sources": sources}])
    print(untouched_table(store.rows))
    print(f"\n{out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
