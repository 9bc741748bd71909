"""Every format of picture and stream: what is repaired of it, held against FFmpeg.

python -m benchmarks.formats            # two clips, two seeds; rows that are there already are skipped
python -m benchmarks.formats --quick    # one clip, one seed, 25 pictures; results go to the cache folder

Two ways of damage: whole slices of many lost (8 a picture in H.264, 4 in HEVC), and packets of RTP lost of one slice a
picture, the gaps closed. Everything goes through the commands users have: `conceal-damage` and `conceal`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from benchmarks.clips import Clip, clip_folder, pick
from benchmarks.formats_tables import formats_table
from benchmarks.product import NETWORKS, product_repairer
from benchmarks.real import frames_of, write
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint, rounded
from benchmarks.streams import AccessUnit, Codec, Encoding, Stream, default_cache, encoded
from benchmarks.workers import run_all
from concealer.bitstream import StreamParser, join_annexb
from concealer.front_door import open_decoder
from pipelines import EncoderSettings, Settings, conceal_file
from pipelines.damage_cli import main as damage

KEY = ("format", "clip", "codec", "pictures", "way", "seed")
CLIPS = ("foreman", "flower")
_SOURCES = ("concealer", "pipelines", NETWORKS, "benchmarks/formats.py")
_CODECS: tuple[Codec, ...] = ("h264", "hevc")
_Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Planes = list[_Samples]


@dataclass(frozen=True)
class Format:
    """One kind of stream."""

    name: str
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (352, 288)
    second_size: tuple[int, int] | None = None
    """Of the second half, if it is another."""
    further: str = ""
    """More parameters of the encoder."""
    second: str = ""
    """Those of the second half, if they are others."""
    codecs: tuple[Codec, ...] = _CODECS
    structure: Literal["P", "B"] = "P"
    file: str = ""
    """Of the folder of damaged streams, instead of a clip encoded: a conformance stream that arrived whole."""

    @property
    def changes(self) -> bool:
        """Whether the second half is another coded video sequence with parameter sets of its own."""
        return bool(self.second or self.second_size)


FORMATS = (
    Format("8 bit 4:2:0"),
    Format("full range", "yuvj420p"),
    Format("10 bit 4:2:0", "yuv420p10le"),
    Format("12 bit 4:2:0", "yuv420p12le", codecs=("hevc",)),
    Format("4:2:2", "yuv422p"),
    Format("10 bit 4:2:2", "yuv422p10le"),
    Format("4:4:4", "yuv444p"),
    Format("10 bit 4:4:4", "yuv444p10le"),
    Format("monochrome", "gray"),
    Format("10 bit monochrome", "gray10le"),
    Format("cropped, 350x282", size=(350, 282)),
    Format("odd, 351x287 (4:4:4)", "yuv444p", size=(351, 287)),
    Format("tiny, 64x48", size=(64, 48), codecs=("h264",)),
    Format("size changes", second_size=(256, 208)),
    Format("second SPS and PPS", further="sps-id=0", second="sps-id=1", codecs=("h264",)),
    Format("CAVLC", further="cabac=0", codecs=("h264",)),
    Format("lossless", further="qp=0", codecs=("h264",)),
    Format("weighted prediction", further="weightp=2:ref=4", codecs=("h264",)),
    Format("long groups of references", further="ref=8:b-pyramid=normal:weightb=1", structure="B", codecs=("h264",)),
    Format("temporal layers", further="temporal-layers=3", structure="B", codecs=("hevc",)),
    Format("CTBs of 16", further="ctu=16", codecs=("hevc",)),
    Format("lossless CUs", further="cu-lossless=1", codecs=("hevc",)),
    Format("AMP, TU depth 4", further="amp=1:rect=1:tu-intra-depth=4:tu-inter-depth=4", codecs=("hevc",)),
    Format("long-term references", file="MR2_TANDBERG_E.264", codecs=("h264",)),
    Format("several SPS and PPS at once", file="MPS_MW_A.264", codecs=("h264",)),
    Format("data-dependent slices", file="BA1_FT_C.264", codecs=("h264",)),
    Format("monochrome, high profile", file="HPCAMOLQ_BRCM_B.264", codecs=("h264",)),
    Format("field pairs", file="freh4.264", codecs=("h264",)),
    Format("MBAFF", file="FREXT01_JVC_D.264", codecs=("h264",)),
    Format("fields and frames in turns", file="HCAFF1_HHI.264", codecs=("h264",)),
)
WAYS = ("slices 3 %", "rtp 1 %")


@dataclass(frozen=True)
class FormatJob:
    """One damaged stream."""

    format: Format
    clip: Clip
    codec: Codec
    way: str
    pictures: int
    seed: int

    @property
    def title(self) -> str:
        return f"{self.format.name} {self.clip.name} {self.codec} {self.way} seed {self.seed}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {
            "format": self.format.name,
            "clip": self.clip.name,
            "codec": self.codec,
            "pictures": self.pictures,
            "way": self.way,
            "seed": self.seed,
        }


def run_job(job: FormatJob, sources: str, cache: Path) -> list[Row]:
    """Measure one job in this process; RuntimeError if `conceal-damage` fails."""
    stream = made(job, cache)
    with tempfile.TemporaryDirectory() as name:
        suffix = ".ts" if job.format.changes else ".mp4"  # one sample entry holds one set of parameters
        whole, damaged = Path(name, f"whole{suffix}"), Path(name, f"damaged{suffix}")
        write(stream, whole)
        model = ["slice", "--rate", "0.03"] if job.way == WAYS[0] else ["rtp", "--closed-up", "--rate", "0.01"]
        if damage(["-q", str(whole), str(damaged), "--seed", str(job.seed), "--model", *model]):
            raise RuntimeError(f"conceal-damage failed on {job.title}")
        clean = pictures_of(whole)
        if job.format.second_size:  # the command fits the second size into the first
            ours = _in_own_size(damaged, job.codec)
        else:
            out = Path(name, "ours.mkv")
            settings = Settings(encoder=EncoderSettings("ffv1"), overwrite=True, always_encode=True)
            conceal_file(str(damaged), str(out), settings)
            ours = pictures_of(out)
        stock = [pictures_of(damaged, options) for options in ({}, {"flags": "+output_corrupt"})]
    scores = [sequence_psnr(clean, pictures) for pictures in (ours, *stock)]
    best = max(scores[1:])
    row = {
        **job.key,
        "pix_fmt": job.format.pix_fmt,
        "ours": scores[0][0],
        "stock": scores[1][0],
        "corrupt": scores[2][0],
        "gain": scores[0][0] - best[0],
        "gain_chroma": scores[0][1] - best[1],
        "pictures_in": len(clean),
        "pictures_out": len(ours),
        "pictures_stock": max(map(len, stock)),
        "encoder": stream.writer,
        "sources": sources,
    }
    return [rounded(row) | job.key]


def has(name: str) -> bool:
    """Whether the folder of damaged streams, beside that of the clips, is at hand and holds this file."""
    folder = clip_folder()
    return folder is not None and (folder.parent / "damaged_streams" / name).is_file()


def made(job: FormatJob, cache: Path) -> Stream:
    """The undamaged stream."""
    form, slices = job.format, 1 if job.way == WAYS[1] else 0
    if form.file:
        return _conformance(job)

    def part(size: tuple[int, int], further: str) -> Stream:
        count = job.pictures // 2 if form.changes else job.pictures
        encoding = Encoding(
            job.codec, form.structure, count, gop=50, slices=slices, further=further, pix_fmt=form.pix_fmt, size=size
        )
        return encoded(job.clip, encoding, cache)

    first = part(form.size, form.further)
    if not form.changes:
        return first
    second = part(form.second_size or form.size, form.second or form.further)
    units = [type(unit)(unit.payload, unit.pts + len(first.units)) for unit in second.units]
    return Stream(first.clip, first.encoding, [*first.units, *units], first.width, first.height)


def _conformance(job: FormatJob) -> Stream:
    folder = clip_folder()
    assert folder is not None
    parser = StreamParser(job.codec)
    units = parser.push((folder.parent / "damaged_streams" / job.format.file).read_bytes()) + parser.flush()
    units = units[: job.pictures]
    places = {order: place for place, order in enumerate(sorted(unit.order for unit in units))}
    sent = [AccessUnit(join_annexb(unit.nals), places[unit.order]) for unit in units]
    return Stream(job.clip, Encoding(job.codec, "P", gop=len(units)), sent, units[0].width, units[0].height)


def _in_own_size(path: Path, codec: Codec) -> dict[int, Planes]:
    """What the product's decoder makes of a file, by output position: as many pictures as there were, in order."""
    decoder = open_decoder(codec, repairer=product_repairer(), lookahead=2)
    pictures = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                pictures += decoder.decode(bytes(packet), pts=packet.pts)
    pictures += decoder.flush()
    decoder.close()
    return {place: planes_of(picture.frame) for place, picture in enumerate(pictures)}


def pictures_of(path: Path, options: dict[str, str] | None = None) -> dict[int, Planes]:
    """Planes by output position, the first picture at 0, as libavcodec decodes a file with one thread."""
    pictures = {place: planes_of(frame) for place, frame in frames_of(path, options)}
    first = min(pictures, default=0)
    return {place - first: planes for place, planes in pictures.items()}


def planes_of(frame: av.VideoFrame) -> Planes:
    """Copies of the planes of a frame of any planar format, as samples."""
    planes: Planes = []
    for plane, component in zip(frame.planes, frame.format.components, strict=True):
        kind = np.uint16 if component.bits > 8 else np.uint8
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height]  # type: ignore[call-overload]
        view = rows.view(kind).reshape(plane.height, -1)[:, : plane.width]
        planes.append(view.copy())
    return planes


def sequence_psnr(clean: dict[int, Planes], pictures: dict[int, Planes]) -> tuple[float, float]:
    """Mean PSNR in dB of luma and of chroma over all pictures, at most 60 for each.

    A picture that never came out shows the one before, at the start black; so does one of a wrong size.
    """
    luma, chroma = [], []
    last: Planes = []
    for place in sorted(clean):
        true = clean[place]
        last = pictures.get(place, last)
        fits = len(last) == len(true) and all(a.shape == b.shape for a, b in zip(last, true, strict=True))
        seen = last if fits else [np.zeros_like(plane) for plane in true]
        values = [_psnr(a, b) for a, b in zip(seen, true, strict=True)]
        luma.append(values[0])
        chroma.append(float(np.mean(values[1:] or [0.0])))
    return float(np.mean(luma)), float(np.mean(chroma))


def _psnr(seen: _Samples, true: _Samples) -> float:
    # Of 9 to 16 bits, stored in 16: as few as hold the brightest sample.
    peak = 255.0 if true.dtype == np.uint8 else float((1 << max(10, int(true.max()).bit_length())) - 1)
    error = float(np.mean((seen.astype(np.float32) - true.astype(np.float32)) ** 2))
    return min(60.0, 10 * float(np.log10(peak * peak / max(error, 1e-9))))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.formats", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one clip, one seed, 25 pictures")
    parser.add_argument("--formats", nargs="*", default=[], help="as in the table (default: all)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 1..N (default 2)")
    parser.add_argument("--pictures", type=int, default=50, help="pictures a clip (default 50)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for encoded clips")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/formats.json)")
    options = parser.parse_args(arguments)
    clips, seeds = pick(CLIPS), list(range(1, options.seeds + 1))
    if options.quick:
        clips, seeds, options.pictures = clips[:1], seeds[:1], 25
    out = options.out or (options.cache / "quick" if options.quick else RESULTS) / "formats.json"
    store, sources = Store(out, command_line("benchmarks.formats"), KEY), fingerprint(_SOURCES)
    jobs = [
        FormatJob(form, clip, codec, way, options.pictures, seed)
        for form in FORMATS
        if not options.formats or form.name in options.formats
        for codec in form.codecs
        for way in WAYS
        for clip in (clips[:1] if form.file else clips)
        for seed in seeds
        if not form.file or has(form.file)
    ]
    jobs = [job for job in jobs if not store.has(job.key | {"sources": sources})]
    failed = run_all(run_job, [(job, sources, options.cache) for job in jobs], store.add, options.processes)
    print(formats_table(store.rows))
    print(f"\n{out}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
