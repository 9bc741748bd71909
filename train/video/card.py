"""python -m train.video.card SHARDS MANIFEST RUN FIGURES > video-choice.md: the card of the prior for natural video."""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from train.video.trainer import family, held_out

_TEXT = """# video-choice: the grouped prior for natural video

Tells, block by block, how far each candidate for a hole of a natural picture is to be trusted, with a convolutional
LSTM that remembers from picture to picture; see docs/video-prior.md. It corrects expected errors and makes no samples
of its own. {size}

## Training

`python -m train.video.collect`, then `python -m train video-choice`: {steps} steps on {streams} damaged streams of
{clips} clips, encoded by x264 and x265, whole slices or packets lost, repaired in the closed loop. Two CPU cores.

## Measured

{figures}

On held-out families of clips ({held}), from the mix's squared errors alone: {validation}.

## Limits

Progressive 4:2:0 of at most 640x360 samples, at 25 pictures a second, from two encoders. Screens, animation and film
are a handful of clips each. What it learnt of `own` is FFmpeg's H.264 concealment.

## Licence

Apache-2.0, as the project; trained on, with thanks:

{licences}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.video.card", description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("manifest", type=Path, help="CSV: file, source repo, licence of each clip")
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument("figures", type=Path, help="text of what was measured")
    options = parser.parse_args(arguments)
    names = sorted(path.stem for path in options.shards.glob("*.npz") if not held_out(path.stem))
    clips = sorted({name.rsplit("-", 3)[0] for name in names})
    held = sorted({family(path.stem) for path in options.shards.glob("*.npz") if held_out(path.stem)})
    rows = [json.loads(line) for line in (options.run / "log.jsonl").read_text().splitlines()]
    last = [row for row in rows if row.get("validation")][-1]
    told = ", ".join(f"{key} {value:+.2f} dB" for key, value in last.items() if "-" in key or key == "gain")
    size = f"{(options.run / 'prior.safetensors').stat().st_size / 1024:.0f} KiB, float16."
    print(
        _TEXT.format(
            size=size,
            steps=last["step"],
            streams=len(names),
            clips=len(clips),
            figures=options.figures.read_text().strip(),
            held=", ".join(held),
            validation=told,
            licences=_licences(options.manifest, clips),
        ),
        end="",
    )
    return 0


def _licences(manifest: Path, clips: Sequence[str]) -> str:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = Path(row["file"])
            if name.parent.name.startswith("video_train") and name.stem in clips:
                found[row["source repo"], row["licence"]].append(name.name)
    return "\n".join(f"- {repo} ({licence}): {', '.join(names)}" for (repo, licence), names in sorted(found.items()))


if __name__ == "__main__":
    raise SystemExit(main())
