"""docs/benchmarks.md and its plot from benchmarks/results/*.json. No figure in it is typed by hand.

python -m benchmarks.report
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import plots
from benchmarks.after_gap import AFTER_GAP_HEAD, after_gap_table
from benchmarks.archive_tables import ARCHIVE_HEAD, archive_tables
from benchmarks.check_tables import CHECK_HEAD, check_tables
from benchmarks.conformance_tables import CONFORMANCE_HEAD, conformance_table
from benchmarks.container_tables import CONTAINERS_HEAD, container_tables
from benchmarks.detection_tables import BLOCKS_HEAD, CUE_HEAD, INTACT_HEAD, blocks_table, cue_table, intact_table
from benchmarks.engine_tables import ENGINES_HEAD, FACES_HEAD, engine_tables, face_table
from benchmarks.formats_tables import FORMATS_HEAD, formats_table
from benchmarks.fuzz_tables import FUZZ_HEAD, fuzz_table
from benchmarks.hook_tables import HOOK_HEAD, hook_tables
from benchmarks.interlaced_tables import (
    INTERLACED_HEAD,
    INTERLACED_SPLICE_HEAD,
    interlaced_splice_table,
    interlaced_table,
)
from benchmarks.large_tables import LARGE_HEAD, large_table
from benchmarks.live_tables import live_tables
from benchmarks.long_tables import LONG_HEAD, long_tables
from benchmarks.policy_tables import policy_tables
from benchmarks.presets import PRESETS_HEAD, presets_table
from benchmarks.prior_tables import COST_HEAD, STAGES_HEAD, cost_table, stages_table
from benchmarks.salvage_tables import SALVAGE_HEAD, salvage_tables
from benchmarks.splice_tables import splice_tables
from benchmarks.store import RESULTS, Row, read
from benchmarks.summary import draw, summary
from benchmarks.tables import (
    clips_of,
    detection_table,
    distinct,
    latency_tables,
    markdown,
    peers_table,
    quality_tables,
    real_table,
    select,
    untouched_table,
)
from benchmarks.targets import RATE, verdicts

DOCS = Path(__file__).resolve().parent.parent / "docs"
PLOT = "psnr-over-loss.png"
LATENCY_PLOT = "latency.png"
REAL_PLOT = "gain-over-ffmpeg.png"

_HEAD = """\
# Benchmarks

Made by `python -m benchmarks.report` from the rows in `benchmarks/results/`; do not edit. Every row there names its \
clip, encoder settings, loss model, rate, seed and command. `make bench` makes \
all of them again, `make bench-quick` runs their quick forms.

PSNR is PSNR-Y in dB against the decode of the undamaged stream; identical pictures count as 60 dB. *Sequence PSNR*: \
mean over all pictures; one that never came out counts as the picture before it. *Hole PSNR*: squared error over all \
lost or broken samples of a stream together. *Later PSNR*: pictures without a hole that differ from the clean decode. \
*Frozen*: pictures that show the same as the one before although the clean ones differ. Cells are means over seeds, \
then over clips. The first picture of a stream is spared. FFmpeg runs with one thread, through PyAV; all in-loop \
methods go through the same decoder hook and differ in what they put into the hole; the oracles are given the clean \
pictures."""


_REAL = """\
One slice a picture, keyint 50. *rtp*: RTP packets of 1200 bytes lost, what arrived closed up in an MP4 file, nobody \
says where; *rtp known*: the same with the places told; *ts*: packets of a transport stream lost, as its counters \
tell; *zeros*: 3 % of the slices hold a run of 1 to 32 KiB of zeros; *flips*: bits flipped; *first*: as rtp, the first \
picture not spared. The gain is that of `conceal` over the better of FFmpeg's two outputs (as shipped, and with \
output_corrupt), stream by stream; *below*: share of streams more than 0.05 dB below it."""


_PEERS = """\
The same damaged files through GStreamer: its demultiplexer and parser, the decoder element with its defaults. FFmpeg \
and `conceal` over the same streams, as in the table above. Pictures: those that came out, of those encoded."""

_DETECTION = """\
Blocks of 16x16: precision / recall over all clips and seeds. *Lost*: dropped slices, against the channel's record. \
*Broken*: blocks that decode differently from clean in slices with missing bytes (place known) or flipped bits (place \
unknown); each damaged access unit alone behind undamaged ones. *Tainted*: blocks outside holes that differ from \
clean, found by the shadow decoder, nothing repaired; for errors above 8 only recall means something."""

_SPLICE = """\
Sequence PSNR in dB of the damaged stream in stock FFmpeg, repaired in the decoder's reference pictures, and spliced \
and decoded by stock FFmpeg; 3 % slice loss. Growth is over the bytes that arrived and over the undamaged stream."""


_STATE = """\
Of which day and commit the rows are; commits are noted since 29 November 2026. `make bench` makes anew whatever is \
older than the sources."""


Tables = Callable[[Sequence[Row]], Sequence[str]]


def _one(table: Callable[[Sequence[Row]], str]) -> Tables:
    return lambda rows: [table(rows)]


_SECTIONS: tuple[tuple[str, str, tuple[str, ...], Tables], ...] = (
    ("detection", "## Detection", (_DETECTION,), _one(detection_table)),
    ("real_blocks", "### On the real profile", (BLOCKS_HEAD,), _one(blocks_table)),
    ("intact", "### False alarms", (INTACT_HEAD,), _one(intact_table)),
    ("conformance", "### Conformance", (CONFORMANCE_HEAD,), _one(conformance_table)),
    ("fuzz", "### Fuzz", (FUZZ_HEAD,), _one(fuzz_table)),
    ("untouched", "## Untouched samples", (), _one(untouched_table)),
    ("after_gap", "## Behind a gap", (AFTER_GAP_HEAD,), _one(after_gap_table)),
    ("hook", "## The hook on undamaged streams", (HOOK_HEAD,), hook_tables),
    ("large", "### Large pictures", (LARGE_HEAD,), _one(large_table)),
    ("latency", "## Cost", (), latency_tables),
    ("presets", "### Encoder presets", (PRESETS_HEAD,), _one(presets_table)),
    ("stages", "## Choosing between candidates", (STAGES_HEAD,), _one(stages_table)),
    ("prior_cost", "### Its cost", (COST_HEAD,), _one(cost_table)),
    ("faces", "## Talking heads", (FACES_HEAD,), _one(face_table)),
    ("blind_cue", "### Damage found blindly on faces", (CUE_HEAD,), _one(cue_table)),
    ("engines", "## Networks", (ENGINES_HEAD,), engine_tables),
    ("splice", "## Splicing", (_SPLICE,), splice_tables),
    ("interlaced_splice", "### Interlaced, spliced", (INTERLACED_SPLICE_HEAD,), _one(interlaced_splice_table)),
    ("containers", "## Containers", (CONTAINERS_HEAD,), container_tables),
    ("long_file", "## A long recording", (LONG_HEAD,), long_tables),
    ("check", "## Checking", (CHECK_HEAD,), check_tables),
    ("archive", "## Archives", (ARCHIVE_HEAD,), archive_tables),
    ("salvage", "## Salvage", (SALVAGE_HEAD,), salvage_tables),
)
"""Results by name: title, words, and what makes tables of their rows, in the page's order."""


def page(results: dict[str, dict[str, list[Row]]], plot: bool, drawn: Sequence[tuple[str, str]] = ()) -> str:
    """The page's Markdown. `results`: contents of the results files by name. drawn: plots of its top, (title, file)."""
    rows = {name: content["rows"] for name, content in results.items()}
    first = [("Gain over FFmpeg, stream by stream", REAL_PLOT)] if "real" in results else []
    first += [("Sequence PSNR over the rate of slice loss", PLOT)] if plot else []
    parts = [part for part in (_HEAD, summary(rows, [*first, *drawn])) if part]
    judged = verdicts(dict(rows))
    if judged:
        lines = [verdict.line() for verdict in judged]
        parts += ["## Targets", markdown(["target", "measured", "met"], lines)]
    if "real" in results:
        parts += ["## Damage as it really comes", _made_by(results["real"]), _REAL, real_table(rows["real"])]
    if "interlaced" in results:
        parts += ["### Interlaced", _made_by(results["interlaced"]), INTERLACED_HEAD]
        parts.append(interlaced_table(rows["interlaced"]))
    if "real_peers" in results:
        parts += ["### Other decoders", _made_by(results["real_peers"]), _PEERS]
        parts.append(peers_table(rows["real_peers"], rows.get("real", [])))
    if "formats" in results:
        parts += ["## Formats", _made_by(results["formats"]), FORMATS_HEAD, formats_table(rows["formats"])]
    if "quality" in results:
        parts += [
            "## Many slices a picture, lost whole and known",
            _made_by(results["quality"]),
            *quality_tables(rows["quality"], RATE),
        ]
        parts += ["### Streams", _streams(rows["quality"])]
    for name, title, lines_before, tables in _SECTIONS:
        if name in results:
            parts += [title, _made_by(results[name]), *lines_before, *tables(rows[name])]
        if name == "engines" and plot and any(row.get("deadline_ms") for row in rows.get(name, [])):
            parts += [f"![Milliseconds of a repair, by method]({LATENCY_PLOT})"]
    for name, title, words, table in (*policy_tables(rows), *live_tables(rows)):
        parts += [f"## {title}", _made_by(results[name]), words, table]
    parts += ["## State of the sources", _STATE, _states(results)]
    return "\n\n".join(parts) + "\n"


def _states(results: dict[str, dict[str, list[Row]]]) -> str:
    """Which results are of which commit, the newest first."""
    names: dict[tuple[str, str], list[str]] = {}
    for name, content in results.items():
        for run in content["runs"]:
            of_run = names.setdefault((run["date"][:10], run.get("commit", "")), [])
            if name not in of_run:
                of_run.append(name)
    lines = [[day, commit, ", ".join(sorted(of_run))] for (day, commit), of_run in sorted(names.items(), reverse=True)]
    return markdown(["day", "commit", "results with rows of it"], lines)


def _made_by(content: dict[str, list[Row]]) -> str:
    lines = []
    for run in content["runs"]:
        versions, machine = run["versions"], run["machine"]
        libraries = f"PyAV {versions['av']}, FFmpeg {versions['ffmpeg']}, NumPy {versions['numpy']}"
        place = f"{machine['cpu']}, {machine['cores']} cores; {libraries}, OpenCV {versions['opencv']}"
        at = f" at {run['commit']}" if run.get("commit") else ""
        lines.append(f"`{run['command']}`{at}, {run['date'][:10]}, {place}")
    by_method: dict[object, set[object]] = {}
    for row in content["rows"]:
        by_method.setdefault(row.get("method"), set()).add(row.get("sources"))
    if any(len(sources) > 1 for sources in by_method.values()):
        lines.append("**The rows are from more than one state of the sources.**")
    return "  \n".join(dict.fromkeys(lines))


def _streams(rows: Sequence[Row]) -> str:
    lines = []
    for clip in clips_of(rows):
        for settings in distinct(select(rows, clip=clip), "settings"):
            row = select(rows, clip=clip, settings=settings)[0]
            size = f"{row['width']}x{row['height']}"
            lines.append([clip, size, str(row["pictures_in"]), f"`{settings}`", str(row["encoder"])])
    return markdown(["clip", "size", "pictures", "settings", "encoder"], lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description="Write docs/benchmarks.md.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results (default: %(default)s)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder to write to (default: %(default)s)")
    options = parser.parse_args(arguments)
    results = {path.stem: read(path) for path in sorted(options.results.glob("*.json"))}
    if not results:
        parser.error(f"no results in {options.results}")
    options.docs.mkdir(parents=True, exist_ok=True)
    live = [row for row in results.get("engines", {}).get("rows", []) if row.get("deadline_ms")]
    if live:
        plots.latency_plot(live, options.docs / LATENCY_PLOT)
    if "real" in results:
        plots.gain_plot(results["real"]["rows"], options.docs / REAL_PLOT)
    sweep = plots.sweep_rows(results.get("quality", {}).get("rows", []))
    if sweep:
        plots.rate_plot(sweep, options.docs / PLOT)
    drawn = draw({name: content["rows"] for name, content in results.items()}, options.docs)
    (options.docs / "benchmarks.md").write_text(page(results, bool(sweep), drawn))
    print(options.docs / "benchmarks.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
