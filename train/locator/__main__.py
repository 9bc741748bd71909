"""python -m train.locator FOLDER... : train the networks of `concealer.decoder.locating` and write them in place."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import concealer.decoder.locating
from concealer.bitstream import Codec
from train.locator.examples import Example, clips, examples
from train.locator.network import Network, fit, left_in, seen_of, stored

CODECS: tuple[Codec, ...] = ("h264", "hevc")


def make(folders: Sequence[Path], codec: Codec, seeds: Sequence[int]) -> list[Example]:
    """Every example; says how far it has come."""
    found: list[Example] = []
    for seed in seeds:
        paths = clips(folders)
        for number, path in enumerate(paths, 1):
            try:
                found += examples(path, codec, seed, paths)
            except Exception as error:  # one clip that cannot be read does not end the training
                print(f"{path.name}: {type(error).__name__}: {error}", file=sys.stderr)
            if number % 20 == 0:
                print(f"{codec} seed {seed}: {number} clips, {len(found)} pictures", file=sys.stderr)
    return found


def measure(found: Sequence[Example], network: Network | None, which: str) -> dict[str, float]:
    """Recall of visibly wrong blocks, precision, share of the squared error outside the marks, and what of the error
    is left in a picture on the mean once repair is mixed in (dB over a mean squared error of 1).

    network: None takes the decoder's word for where the damage begins.
    """
    hit = wrong = true = marked = pictures = 0
    left = total = cost = 0.0
    for one in found:
        if getattr(one, which) is None:
            continue
        seen = seen_of(one, which)
        with torch.no_grad():
            told = seen.known.float() if seen.noticed else torch.ones(seen.known.shape)
            belief = told if network is None else network.belief(seen)
            cost += float(left_in(seen, belief))
        mark = (belief > 0.5).numpy()
        hit, wrong = hit + int((mark & one.visible).sum()), wrong + int(one.visible.sum())
        true, marked = true + int((mark & one.wrong).sum()), marked + int(mark.sum())
        left, total = left + float(one.error[~mark].sum()), total + float(one.error.sum())
        pictures += 1
    return {
        "pictures": pictures,
        "recall": round(hit / wrong, 4),
        "precision": round(true / marked, 4),
        "error_left": round(left / total, 4),
        "left_db": round(cost / pictures, 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.locator", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of clips to damage")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14], help="a round over all clips each")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the pictures are small
    for codec in CODECS:
        found = make(options.folders, codec, options.seeds)
        names = sorted({one.clip for one in found})
        halves = [[one for one in found if names.index(one.clip) % 2 == half] for half in (0, 1)]
        measured = {
            which: [measure(halves[1 - half], fit(halves[half], which), which) for half in (0, 1)]
            for which in ("past", "alone")
        } | {"decoder alone": measure(found, None, "alone")}
        print(json.dumps({codec: measured}), flush=True)
        networks = {which: stored(fit(found, which)) for which in ("past", "alone")}
        folder = Path(concealer.decoder.locating.__file__).parent
        (folder / f"{codec}.json").write_text(json.dumps(networks | {"measured": measured}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
