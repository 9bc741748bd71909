"""The top of docs/benchmarks.md, which a person reads in a minute: ten numbers and five plots, from the rows below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.fuzz_tables import lost
from benchmarks.salvage_tables import is_good
from benchmarks.store import Row
from benchmarks.tables import CODEC_NAMES, markdown, mean, select

Results = Mapping[str, Sequence[Row]]
LIVE_PLOT, LONG_PLOT, SALVAGE_PLOT = "live-delay.png", "long-recording.png", "salvage.png"
_BLUE, _ORANGE = "#0072B2", "#D55E00"


def summary(results: Results, plots: Sequence[tuple[str, str]]) -> str:
    """Numbers as a table, plots (title, file) below. "" where there is nothing to sum up."""
    lines = [[what, value] for what, value in _numbers(results)]
    if not lines:
        return ""
    shown = [f"![{title}]({file})" for title, file in plots]
    return "\n\n".join(["## In a minute", markdown(["", ""], lines), *shown])


def _numbers(results: Results) -> Iterator[tuple[str, str]]:
    for part in (_real, _interlaced, _harm, _slices, _live, _long, _check, _salvage, _fuzz, _conformance):
        yield from part(results)


def _real(results: Results) -> Iterator[tuple[str, str]]:
    rows = select(results.get("real", ()), way="rtp", rate=0.03)
    gains = {codec: mean([row["gain"] for row in select(rows, codec=codec)]) for codec in CODEC_NAMES}
    if all(value is not None for value in gains.values()):
        told = ", ".join(f"{CODEC_NAMES[codec]} {value:+.1f} dB" for codec, value in gains.items())
        yield (
            "3 % of RTP packets lost, one slice a picture, nobody says where: over the better of FFmpeg's outputs",
            told,
        )


def _interlaced(results: Results) -> Iterator[tuple[str, str]]:
    gain = mean([row["gain"] for row in results.get("interlaced", ())])
    if gain is not None:
        yield (
            "interlaced H.264, 0.1 and 0.3 % of TS packets lost: over the better of FFmpeg's outputs",
            f"{gain:+.1f} dB",
        )


def _harm(results: Results) -> Iterator[tuple[str, str]]:
    rows = [row for way in ("rtp", "ts") for row in select(results.get("real", ()), way=way)]
    if rows:
        below = sum(row["gain"] < -0.05 for row in rows) / len(rows)
        worst = min(row["gain"] for row in rows)
        yield (
            f"streams that come out worse than FFmpeg's, of {len(rows)}",
            f"{100 * below:.1f} %, the worst {worst:+.1f} dB",
        )


def _slices(results: Results) -> Iterator[tuple[str, str]]:
    rows = select(results.get("quality", ()), model="slice", rate=0.03, detail="")
    means = {name: mean([row["psnr"] for row in select(rows, method=name)]) for name in ("concealer", "ffmpeg")}
    if means["concealer"] is not None and means["ffmpeg"] is not None:
        gain = means["concealer"] - means["ffmpeg"]
        yield "3 % of many slices a picture lost, both codecs: over FFmpeg as shipped", f"{gain:+.1f} dB"


def _live(results: Results) -> Iterator[tuple[str, str]]:
    rows = [row for row in select(results.get("live", ()), method="auto", loss=0.03) if row["width"] == 1280]
    if rows:
        worst = max(rows, key=lambda row: float(row["delay_p95_ms"]))
        codec = CODEC_NAMES[worst["codec"]]
        value = f"{worst['delay_p50_ms']:.0f} ms median, {worst['delay_p95_ms']:.0f} ms at 95 %"
        yield (
            f"live at 720p, 3 % of packets lost, from the last packet to the picture ({codec}, the slower)",
            value,
        )


def _long(results: Results) -> Iterator[tuple[str, str]]:
    runs = select(results.get("long_file", ()), measure="run")
    ours = [row for row in runs if row["output"] == "auto"]
    encoded = [row for row in runs if row["output"] == "encode"]
    if ours and encoded:
        best = min(ours, key=lambda row: float(row["wall_s"]))
        times = encoded[0]["extrapolated_s"] / best["wall_s"]
        grown = 100 * (best["bytes"] / best["input_bytes"] - 1)
        value = f"{best['wall_s'] / 60:.0f} minutes, {times:.0f} times faster than encoding; {grown:+.2f} % bytes"
        yield "two hours of 720p with twenty damaged groups, everything else byte for byte", value


def _check(results: Results) -> Iterator[tuple[str, str]]:
    rows = [row for row in select(results.get("check", ()), measure="decoded") if row.get("speed_of_plain")]
    if rows:
        speeds = [float(row["speed_of_plain"]) for row in rows]
        yield "`conceal check`, speed of FFmpeg's own decoder", f"{min(speeds):.2f} to {max(speeds):.2f}"


def _salvage(results: Results) -> Iterator[tuple[str, str]]:
    rows = results.get("salvage", ())
    if rows:
        good = sum(map(is_good, rows))
        yield (
            "recordings broken on purpose, no healthy sibling at hand: nine in ten pictures back, in sync",
            (f"{good} of {len(rows)}"),
        )


def _fuzz(results: Results) -> Iterator[tuple[str, str]]:
    rows = results.get("fuzz", ())
    if rows:
        bad = sum(row["end"] in ("crashed", "raised", "hung") for row in rows)
        few, changed = sum(bool(lost(row)) for row in rows), sum(bool(row.get("changed")) for row in rows)
        yield (
            f"{len(rows)} fuzzed files: crashes and hangs, with pictures lost, with other samples changed",
            (f"{bad}, {few}, {changed}"),
        )


def _conformance(results: Results) -> Iterator[tuple[str, str]]:
    rows = [row for row in results.get("conformance", ()) if row["expected"]]
    if rows:
        alike = sum(row.get("libav_md5") == row.get("concealer_md5") for row in rows)
        yield "fluster's vectors at hand: as FFmpeg decodes them", f"{alike} of {len(rows)}"


def draw(results: Results, folder: Path) -> list[tuple[str, str]]:
    """The plots that are drawn for this page alone, as (title, file)."""
    known: tuple[tuple[str, str, Callable[[Results, Path], bool]], ...] = (
        ("Milliseconds from the last packet to the picture, live", LIVE_PLOT, _live_plot),
        ("Minutes for two hours of video", LONG_PLOT, _long_plot),
        ("Broken recordings that come back, by what broke them", SALVAGE_PLOT, _salvage_plot),
    )
    return [(title, file) for title, file, plot in known if plot(results, folder / file)]


def _live_plot(results: Results, path: Path) -> bool:
    rows = select(results.get("live", ()), method="auto", measure="one-slice")
    if not rows:
        return False
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(6.4, 3.4))
    kinds = sorted({(row["codec"], row["width"], row["height"]) for row in rows})
    for index, (codec, width, height) in enumerate(kinds):
        part = select(rows, codec=codec, width=width)
        losses = sorted({float(row["loss"]) for row in part})
        for name, style in (("delay_p50_ms", "o--"), ("delay_p95_ms", "o-")):
            values = [mean([row[name] for row in select(part, loss=loss)]) for loss in losses]
            label = f"{CODEC_NAMES[codec]} {width}x{height}" if style == "o-" else None
            axis.plot([100 * loss for loss in losses], values, style, ms=4, color=f"C{index}", label=label)
    axis.set_xlabel("packets lost, %")
    axis.set_ylabel("ms: median (dashed), 95 %")
    axis.set_ylim(bottom=0)
    return _write(figure, axis, path)


def _long_plot(results: Results, path: Path) -> bool:
    runs = select(results.get("long_file", ()), measure="run")
    if not runs:
        return False
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(6.4, 2.4))
    names = [f"{row['output']}, {row['jobs']} process{'es' if row['jobs'] > 1 else ''}" for row in runs]
    minutes = [float(row.get("extrapolated_s") or row["wall_s"]) / 60 for row in runs]
    axis.barh(names, minutes, color=[_ORANGE if row["output"] == "encode" else _BLUE for row in runs])
    for place, value in enumerate(minutes):
        axis.text(value, place, f" {value:.0f}", va="center", fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("minutes")
    return _write(figure, axis, path, legend=False)


def _salvage_plot(results: Results, path: Path) -> bool:
    rows = results.get("salvage", ())
    if not rows:
        return False
    pyplot = _pyplot()
    figure, axis = pyplot.subplots(figsize=(6.4, 2.8))
    ways = sorted({row["way"] for row in rows})
    shares = [100 * sum(map(is_good, part)) / len(part) for part in (select(rows, way=way) for way in ways)]
    axis.barh(ways, shares, color=_BLUE)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("% of the recordings with nine in ten pictures and sounds, in sync")
    return _write(figure, axis, path, legend=False)


def _pyplot():  # type: ignore[no-untyped-def]  # matplotlib is loaded where something is drawn
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _write(figure, axis, path: Path, legend: bool = True) -> bool:  # type: ignore[no-untyped-def]
    axis.grid(alpha=0.3)
    if legend:
        axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return True
