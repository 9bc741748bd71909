"""No alarm where nothing is wrong: streams without damage, from files and from four encoders, in many structures.

python -m benchmarks.intact            # everything; rows that are there already are skipped
python -m benchmarks.intact --quick    # few pictures of every encode; results go to the cache folder

No block may be marked or doubted, no picture be said to be missing or be changed against plain libav, and `conceal` may
tell of nothing. OpenH264 and minih264 are found as `benchmarks.clean_encodes` says.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import clean_encodes
from benchmarks.clean_encodes import Recipe, recipes
from benchmarks.clips import clip_folder
from benchmarks.detection_tables import intact_table
from benchmarks.side_by_side import compare
from benchmarks.store import RESULTS, Row, Store, command_line, fingerprint
from benchmarks.streams import default_cache
from benchmarks.workers import run_all

KEY = ("source", "name", "length")
_ROOMS = ("concealer", "benchmarks/side_by_side.py")
_SUFFIXES = (".264", ".avc", ".jsv", ".h264", ".265", ".h265", ".hevc", ".mp4", ".mkv")
_OTHER_CODEC = ("davis_schoolgirls_240p.mp4", "hdtf_wda_katiehill.mp4")
_CONFORMANCE = (".264", ".avc", ".jsv", ".h264", ".h265")
"""Those of the folder of damaged streams that are not damaged are elementary streams."""
_DAMAGED = ("BA_MW_D_IDR_LOST.264", "BA_MW_D_P_LOST.264", "Error_I_P.264")
"""But for these."""
_QUICK = 100


@dataclass(frozen=True)
class Job:
    """One stream: a file, or an encode."""

    source: str
    name: str
    length: int
    """Pictures of an encode; 0: all of a file."""
    file: Path | None = None
    recipe: Recipe | None = None
    clips: Path | None = None

    @property
    def title(self) -> str:
        return f"{self.source} {self.name}"

    @property
    def key(self) -> Row:
        """The fields that tell this measurement from others."""
        return {name: getattr(self, name) for name in KEY}


def run_job(job: Job, sources: str) -> list[Row]:
    """Measure one stream in this process."""
    if job.file is not None:
        found = compare(job.file)
    else:
        assert job.recipe is not None
        with tempfile.TemporaryDirectory() as name:
            found = compare(clean_encodes.make(job.recipe, Path(name), job.clips, job.length))
    return [{**job.key, **asdict(found), "sources": sources}]


def plan(length: int) -> list[Job]:
    """All jobs that can be done here: the files, then the encoders in turn."""
    folder = clip_folder()
    made = sorted(recipes(), key=lambda recipe: recipe.number)
    encodes = [Job(r.encoder, r.title, length, recipe=r, clips=_training(folder)) for r in made]
    return encodes if folder is None else [*_files(folder), *encodes]


def _files(folder: Path) -> Iterator[Job]:
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.name not in _OTHER_CODEC:
            yield Job("evaluation clips", path.name, 0, file=path)
    for path in sorted((folder.parent / "damaged_streams").glob("*")):
        if path.suffix in _CONFORMANCE and path.name not in _DAMAGED:
            yield Job("conformance streams", path.name, 0, file=path)


def _training(folder: Path | None) -> Path | None:
    """Clips that the encodes are made of, which are nobody's to judge repair by."""
    clips = None if folder is None else folder.parent / "video_train"
    return clips if clips is not None and clips.is_dir() else None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intact", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} pictures of each encode, no files")
    parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--out", type=Path, help="results file (default: benchmarks/results/intact.json)")
    options = parser.parse_args(arguments)
    out = options.out or (default_cache() / "quick" if options.quick else RESULTS) / "intact.json"
    store, sources = Store(out, command_line("benchmarks.intact"), KEY), fingerprint(_ROOMS)
    jobs = plan(_QUICK if options.quick else clean_encodes.PICTURES)
    if options.quick:
        jobs = [job for job in jobs if job.file is None]
    todo = [(job, sources) for job in jobs if not store.has(job.key | {"sources": sources})]
    failed = run_all(run_job, todo, store.add, options.processes)
    print(intact_table(store.rows))
    print(f"\n{out}")
    return 1 if failed or any(alarm(row) for row in store.rows) else 0


def alarm(row: Row) -> bool:
    """Whether anything was said or done that the stream gives no cause for."""
    return any(row[name] for name in ("alarmed", "made_up", "missing", "changed", "told"))


if __name__ == "__main__":
    raise SystemExit(main())
