"""python -m train.video.collect SHARDS FOLDER... : damage clips as the product meets them, keep what it met."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from train.video.examples import clips, holes_of, takes
from train.video.shards import write


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.video.collect", description=__doc__)
    parser.add_argument("shards", type=Path, help="folder for the shards; what is there is not made again")
    parser.add_argument("folders", nargs="+", type=Path, help="folders of clips")
    parser.add_argument("--rounds", type=int, nargs="+", default=[0], help="numbers of rounds over all clips")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    options.shards.mkdir(parents=True, exist_ok=True)
    began, found = time.monotonic(), 0
    for number in options.rounds:
        for path in clips(options.folders):
            for name, take in takes(path, [number]):
                shard = options.shards / f"{name}.npz"
                if shard.exists():
                    continue
                try:
                    holes, size = holes_of(path, take)
                except Exception as error:  # one clip that cannot be read does not end the work
                    print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                    continue
                write(shard, holes, size)
                found += len(holes)
            print(f"{time.monotonic() - began:.0f} s: {path.name}, {found} holes", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
