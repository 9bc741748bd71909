"""`conceal`: repair a damaged H.264 or HEVC file from the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from concealer import __version__
from pipelines import archive_cli, check_cli
from pipelines.arguments import PRESET_FILE, Parser, named_after, pairs, parse
from pipelines.errors import ConcealError, Interrupted, OutputError, UsageError, one_line
from pipelines.generated import COMPLETIONS, ShowFile
from pipelines.jobs import Settings, conceal_file
from pipelines.options import add_policy_options, add_video_options, settings_of
from pipelines.progress import Bar, Display, JsonLines
from pipelines.reading import is_live
from pipelines.stopping import signals, silence_stdout
from pipelines.summary import summary
from pipelines.writing import STDOUT

log = logging.getLogger("conceal")

_LIVE_PRESET = "veryfast"
"""Keeps up with a live input, where no encoder and no preset is asked for."""

_WORDS = {"check": check_cli.main, "archive": archive_cli.main}

_USAGE = """\
conceal [options] IN OUT
       conceal [options] IN [IN ...] FOLDER/
       conceal [options] --dry-run IN
       conceal check --help
       conceal archive --help\
"""
_DESCRIPTION = """\
Finds the damaged parts of H.264 and HEVC video and repairs them inside the decoder's reference pictures.
Audio, subtitles, chapters and metadata are copied. What is not damaged is copied packet by packet.\
"""
_EPILOG = """\
examples:
  conceal in.mp4 out.mp4
  conceal in.ts out.mkv --report report.html
  conceal *.mp4 *.ts repaired/ --report 'repaired/{name}.html'
  conceal in.mkv lossless.mkv --encoder ffv1
  conceal --output gop in.mp4 out.mp4
  conceal --dry-run --json in.mp4
  receiver | conceal - - -f mpegts | player
  conceal udp://:5000 out.mkv
  conceal --reconnect udp://239.1.1.1:5000 udp://127.0.0.1:6000
  conceal session.sdp rtmp://host/app/key
  conceal session.pcap out.mp4
  conceal check archive/                  # which files are damaged, how much: conceal check --help
  conceal archive archive/ repaired/      # all files, on all cores or many machines: conceal archive --help

Live inputs (udp, rtp by an .sdp file, rtsp, rtmp; srt where this FFmpeg has it) run until they end or Ctrl-C
or SIGTERM ends them, which completes OUT and is exit code 0.

From a pipe, video is always encoded: it cannot be read twice to find out whether it is damaged.
Where the picture size changes in mid-stream, later pictures are fitted into the first size, in their own shape.

exit codes:
  0    repaired, spliced, copied or analysed
  1    processing failed, or the stream cannot be spliced
  2    bad usage: unknown option, encoder or format; output exists; output is the input
  3    input cannot be read, is encrypted, or holds no H.264 or HEVC video
  4    output cannot be written, or its container cannot hold the video
  130  interrupted; with --keep-partial the output holds what was done until then
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="conceal",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        metavar="IN ... OUT",
        nargs="+",
        help="IN: any container FFmpeg reads, raw .264/.265, a recording of RTP (pcap, rtpdump, mjr), or - for stdin; "
        "OUT: written by its suffix, - for stdout with -f, or a folder, into which any number of INs go under their "
        "names",
    )
    _add_file_options(parser)
    add_video_options(parser)
    add_policy_options(parser).add_argument(
        "--outage",
        metavar="hold|FILE",
        help="while a live IN says nothing, go on with its last good picture or the one in FILE, and silence",
    )
    out = parser.add_argument_group("what is told")
    out.add_argument("--dry-run", action="store_true", help="find the damage only, write no video")
    out.add_argument(
        "--report",
        metavar="FILE",
        help="what was repaired, by FILE's suffix: .html (a page for people), .csv, .ffmeta (chapters), .edl (editors' "
        "marks), else JSON (docs/report.md)",
    )
    out.add_argument(
        "--compare", metavar="FILE", help="write a video that shows before and after side by side, with outlines"
    )
    out.add_argument(
        "--metrics", metavar="ADDR:PORT", help="serve counts for Prometheus while it runs (:PORT: to this machine only)"
    )
    out.add_argument("--json", action="store_true", help="summary as JSON on stdout, progress as JSON lines on stderr")
    out.add_argument("-q", "--quiet", action="store_true", help="errors only")
    out.add_argument("-v", "--verbose", action="store_true", help="log details, tracebacks of errors")
    out.add_argument("--version", action="version", version=f"conceal {__version__}")
    out.add_argument(
        "--completion", action=ShowFile, choices=tuple(COMPLETIONS), help="print this shell's completions, and leave"
    )
    return parser


def _add_file_options(parser: Parser) -> None:
    files = parser.add_argument_group("files")
    files.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists (else refused)")
    files.add_argument("-f", "--format", metavar="FORMAT", help="container of OUT, e.g. mp4, matroska, mpegts")
    files.add_argument("--input-format", metavar="FORMAT", help="container of IN where it cannot be told, e.g. h264")
    files.add_argument(
        "--sdp", metavar="FILE", help="session description with the parameter sets and formats that IN lacks"
    )
    files.add_argument(
        "--like",
        metavar="FILE",
        help="a healthy file of the same camera, for an MP4 that lost its index",
    )
    files.add_argument(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="processes that look for damage in a file and repair it (default: all cores)",
    )
    files.add_argument(
        PRESET_FILE, metavar="FILE", help="options from a TOML file, by their long names: crf = 18, dry-run = true"
    )
    files.add_argument("--reconnect", action="store_true", help="open a live IN again when it ends or falls silent")
    files.add_argument("--keep-partial", action="store_true", help="when interrupted, complete OUT with what was done")


def _settings(args: argparse.Namespace, source: str, several: bool = False) -> Settings:
    """Of one input; several: it is not the only one."""
    settings = settings_of(args)
    if args.preset is None and args.encoder is None and is_live(source):
        settings = replace(settings, encoder=replace(settings.encoder, preset=_LIVE_PRESET))
    return replace(
        settings,
        outage=args.outage,
        metrics=args.metrics,
        sdp=args.sdp,
        like=args.like,
        jobs=args.jobs,
        dry_run=args.dry_run,
        keep_partial=args.keep_partial,
        reconnect=args.reconnect,
        report=named_after(args.report, source, several, "--report"),
        compare=named_after(args.compare, source, several, "--compare"),
    )


class _Log(logging.Handler):
    """One line a message on stderr, above the progress bar."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display
        self.setFormatter(logging.Formatter("conceal: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._display.clear()
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _logging(args: argparse.Namespace, display: Display) -> Iterator[None]:
    handler = _Log(display)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.ERROR if args.quiet else logging.DEBUG if args.verbose else logging.WARNING)
    # FFmpeg's own messages are the decoder's business; to a reader they are noise without context.
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def _run(
    args: argparse.Namespace,
    source: str,
    target: str | None,
    settings: Settings,
    display: Display,
    stop: threading.Event,
) -> int:
    show = args.json or (sys.stderr.isatty() and not args.quiet)
    result = conceal_file(source, target, settings, on_progress=display if show else None, stopped=stop.is_set)
    display.clear()
    if result.interrupted:
        log.warning("interrupted: the output holds the first %d pictures", result.pictures_written)
    if args.json:
        # Where the video goes to stdout, the summary must not.
        print(json.dumps(result.as_dict()), file=sys.stderr if target == STDOUT else sys.stdout)
    elif not args.quiet:
        print(f"conceal: {summary(result)}", file=sys.stderr)
    return Interrupted.exit_code if result.interrupted else 0


def _guarded(args: argparse.Namespace, run: Callable[[], int], target: str | None) -> int:
    """Exit code of a run; what went wrong is one line."""
    try:
        return run()
    except ConcealError as error:
        failure: Exception = error
        code, message = error.exit_code, str(error)
    except KeyboardInterrupt:
        log.error("interrupted")
        return Interrupted.exit_code
    except BrokenPipeError:
        silence_stdout()
        log.error("standard output was closed")
        return OutputError.exit_code
    except Exception as error:  # the last resort: a user gets one line, never a traceback
        failure, code = error, 1
        message = f"failed: {one_line(error)} ({type(error).__name__}); -v tells more"
    log.error("%s", message, exc_info=failure if args.verbose and code != Interrupted.exit_code else None)
    if target == STDOUT:
        silence_stdout()
    return code


def _run_all(args: argparse.Namespace, display: Display) -> int:
    """One file after the other; what goes wrong with one does not keep the others from their turn. Returns the exit
    code of the first with which anything went wrong."""
    files = pairs(args.names)
    jobs = [(source, target, _settings(args, source, len(files) > 1)) for source, target in files]
    stop, codes = threading.Event(), []
    with signals(stop):
        for number, (source, target, settings) in enumerate(jobs, 1):
            if len(jobs) > 1:
                display.file = f"{number}/{len(jobs)} {os.path.basename(source)}"
            codes.append(_guarded(args, partial(_run, args, source, target, settings, display, stop), target))
            if stop.is_set() and codes[-1] == Interrupted.exit_code:
                break
    failed = sum(code != 0 for code in codes)
    if len(jobs) > 1 and not args.quiet:
        left = len(jobs) - len(codes)
        more = f", {failed} failed" * bool(failed) + f", {left} left out" * bool(left)
        print(f"conceal: {len(codes) - failed} of {len(jobs)} files done{more}", file=sys.stderr)
    return next((code for code in codes if code), 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in _WORDS:
        return _WORDS[argv[0]](argv[1:])
    try:
        args = parse(build_parser(), argv)
    except UsageError as error:
        print(f"conceal: {error}", file=sys.stderr)
        return error.exit_code
    display: Display = JsonLines() if args.json else Bar()
    with _logging(args, display):
        return _guarded(args, partial(_run_all, args, display), None)


if __name__ == "__main__":
    sys.exit(main())
