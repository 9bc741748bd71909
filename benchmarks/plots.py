"""Pictures for the docs. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.store import Row
from benchmarks.tables import clips_of, combination_title, combinations, distinct, over_clips, present_methods, select

_COLOURS = {"concealer": "#0072B2", "copy": "#009E73", "ffmpeg": "#D55E00", "ffmpeg_corrupt": "#CC79A7"}
"""Told apart by people who see colours differently (Okabe and Ito 2008)."""


def sweep_rows(rows: Sequence[Row]) -> list[Row]:
    """Rows of independent slice loss on the clips, and with the seeds, that were tried at several rates.

    Only what all rates share is kept, so that the points of a curve can be compared.
    """
    slices = [row for row in select(rows, model="slice", detail="") if row["method"] in _COLOURS]
    rates = {row["rate"] for row in slices}
    if len(rates) < 2:
        return []
    seen: dict[tuple[str, int], set[float]] = {}
    for row in slices:
        seen.setdefault((row["clip"], row["seed"]), set()).add(row["rate"])
    return [row for row in slices if seen[row["clip"], row["seed"]] == rates]


def rate_plot(rows: Sequence[Row], path: Path) -> None:
    """Sequence PSNR over the rate of slice loss, one panel per codec and structure. PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = combinations(rows)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.6), sharey=True, squeeze=False)
    for axis, (codec, structure, part) in zip(axes[0], panels, strict=True):
        rates = sorted({float(row["rate"]) for row in part})
        for name, title in present_methods(part):
            values = [over_clips(select(part, method=name, rate=rate), "psnr") for rate in rates]
            axis.plot([100 * rate for rate in rates], values, "o-", ms=4, color=_COLOURS[name], label=title)
        axis.set_title(combination_title(codec, structure), fontsize=10)
        axis.set_xscale("log")
        axis.set_xticks([100 * rate for rate in rates], [f"{100 * rate:g}" for rate in rates])
        axis.minorticks_off()
        axis.set_xlabel("slices lost, %")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[0][0].set_ylabel("sequence PSNR-Y, dB")
    clips, seeds = clips_of(rows), distinct(rows, "seed")
    figure.suptitle(f"Mean over {', '.join(clips)}; {len(seeds)} seed{'s' * (len(seeds) > 1)}", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def gain_plot(rows: Sequence[Row], path: Path) -> None:
    """Gain over the better of FFmpeg's outputs, a dot for each stream, by way of damage; their mean as a bar. PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = combinations(rows)
    ways = sorted({(row["way"], row["rate"]) for row in rows}, key=lambda way: (str(way[0]), float(way[1])))
    figure, axes = pyplot.subplots(1, len(panels), figsize=(3.6 * len(panels), 4.2), sharey=True, squeeze=False)
    for axis, (codec, structure, part) in zip(axes[0], panels, strict=True):
        for place, (way, rate) in enumerate(ways):
            gains = sorted(float(row["gain"]) for row in select(part, way=way, rate=rate))
            spread = [place + 0.5 * (number % 9 - 4) / 9 for number in range(len(gains))]
            axis.plot(spread, gains, ".", ms=3, color="#0072B2", alpha=0.6)
            if gains:
                axis.hlines(sum(gains) / len(gains), place - 0.4, place + 0.4, color="#D55E00", lw=2)
        axis.axhline(0, color="black", lw=0.8)
        titles = [f"{way} {100 * float(rate):g} %" for way, rate in ways]
        axis.set_xticks(range(len(ways)), titles, rotation=60, ha="right", fontsize=8)
        axis.set_title(combination_title(codec, structure), fontsize=10)
        axis.grid(alpha=0.3, axis="y")
    axes[0][0].set_ylabel("gain over FFmpeg, dB of sequence PSNR-Y")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def latency_plot(rows: Sequence[Row], path: Path) -> None:
    """Milliseconds of repairs, median to 99 % by method, one panel per clip. PNG.

    rows: of measure "stream" with a deadline, all rates.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clips = distinct(rows, "clip")
    figure, axes = pyplot.subplots(1, len(clips), figsize=(3.6 * len(clips), 3.6), sharey=True, squeeze=False)
    for axis, clip in zip(axes[0], clips, strict=True):
        part = select(rows, clip=clip)
        rates = sorted({float(row["rate"]) for row in part})
        methods = distinct(part, "method")
        for place, method in enumerate(methods):
            for index, rate in enumerate(rates):
                for row in select(part, method=method, rate=rate):
                    low, high = row.get("repair_p50_ms"), row.get("repair_p99_ms")
                    if low is not None and high is not None:
                        x = place + 0.25 * (index - (len(rates) - 1) / 2)
                        axis.plot([x, x], [low, high], color=f"C{index}", lw=3, alpha=0.6)
                        axis.plot([x], [low], "o", color=f"C{index}", ms=5)
        axis.axhline(float(part[0]["deadline_ms"]), color="#D55E00", lw=1)
        axis.set_xticks(range(len(methods)), methods, fontsize=8, rotation=30)
        axis.set_title(f"{clip} {part[0]['width']}x{part[0]['height']}", fontsize=10)
        axis.grid(alpha=0.3, axis="y")
    for index, rate in enumerate(sorted({float(row["rate"]) for row in rows})):
        axes[0][0].plot([], [], "o-", color=f"C{index}", label=f"{100 * rate:g} % of slices lost")
    axes[0][0].legend(fontsize=7)
    axes[0][0].set_ylabel("repair of a picture, ms: median to 99 %")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
