"""A child of `benchmarks.fuzz`: jobs on standard input, one JSON line each; what came of them on standard output."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

import pipelines.jobs.repairers
from benchmarks.fuzz_damage import damaged
from concealer.damage import DamageMap
from concealer.outcome import RepairOutcome
from concealer.outlook import Outlook
from concealer.picture import Picture
from concealer.repair import Repairer
from pipelines import ConcealError, EncoderSettings, Settings, conceal_file

_MOST_BYTES = 4 << 30
_CORRUPT = {"flags": "+output_corrupt"}
OUTPUTS = ("encode", "encode", "auto", "splice")
"""Ways to write, in turns."""


class _Watching(Repairer):
    """The product's repairer, held to change nothing outside the hole."""

    changed = 0

    def __call__(
        self, picture: Picture, damage: DamageMap, references: Sequence[Picture], outlook: Outlook | None = None, /
    ) -> RepairOutcome:
        before = [plane.copy() for plane in picture.planes]
        others = [plane.copy() for reference in references for plane in reference.planes]
        outcome = super().__call__(picture, damage, references, outlook)
        for index, (old, new) in enumerate(zip(before, picture.planes, strict=True)):
            shift = picture.chroma_shift() if index else (0, 0)
            outside = ~damage.hole_pixels(*shift)[: new.shape[0], : new.shape[1]]
            _Watching.changed += int(np.count_nonzero((old != new) & outside))
        after = [plane for reference in references for plane in reference.planes]
        _Watching.changed += sum(int(np.count_nonzero(a != b)) for a, b in zip(others, after, strict=True))
        return outcome


def shown(path: Path, options: dict[str, str]) -> int:
    """Pictures that libav decodes of a file; 0 if it cannot be opened."""
    count = 0
    try:
        with av.open(str(path)) as container:
            for stream in container.streams.video:
                if stream.codec_context is not None:  # a codec that libav does not know
                    stream.codec_context.options = options
                    stream.codec_context.thread_count = 1
            for packet in container.demux(container.streams.video):
                # A stream that begins late is among them, whatever it holds.
                if not isinstance(packet.stream, VideoStream) or packet.stream.codec_context is None:
                    continue
                try:
                    count += len(packet.decode())
                except av.FFmpegError:
                    continue
    except (av.FFmpegError, ValueError, IndexError):
        return count
    return count


def work(job: dict[str, Any]) -> dict[str, Any]:
    """One stream through the product."""
    base, seed = Path(job["base"]), job["seed"]
    output = job.get("output") or OUTPUTS[seed % len(OUTPUTS)]
    found: dict[str, Any] = {"base": base.name, "seed": seed, "output": output}
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / f"damaged{base.suffix}"
        found["damage"] = damaged(base, source, seed)
        target = Path(name) / ("out.mkv" if output == "encode" else f"out{base.suffix}")
        settings = Settings(
            encoder=EncoderSettings("ffv1") if output == "encode" else EncoderSettings(),
            output=output,  # type: ignore[arg-type]
            jobs=1,
        )
        _Watching.changed = 0
        began = time.perf_counter()
        try:
            result = conceal_file(source, target, settings)
            totals = result.totals
            found |= {"end": result.action, "damaged": totals.damaged, "repaired": totals.repaired}
            found |= {"pictures": shown(target, _CORRUPT), "told": totals.pictures, "stock": shown(source, {})}
            found["left_out"] = totals.dropped + totals.hidden
        except ConcealError as error:
            found |= {"end": "refused", "said": str(error)[:200], "stock": shown(source, {}), "left": target.exists()}
        except Exception:
            found |= {"end": "raised", "said": traceback.format_exc()[-2000:]}
        found |= {"changed": _Watching.changed, "seconds": round(time.perf_counter() - began, 3)}
    return found


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    pipelines.jobs.repairers.Repairer = _Watching  # type: ignore[misc]
    av.logging.set_level(av.logging.PANIC)
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
