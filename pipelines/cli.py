"""`conceal`: repair a damaged H.264 or HEVC file from the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import threading
from collections.abc import Iterator, Sequence

from concealer import __version__
from concealer.repair import METHODS
from pipelines import check_cli
from pipelines.errors import ConcealError, Interrupted, OutputError, UsageError, one_line
from pipelines.generative import ENGINES
from pipelines.jobs import OUTPUT_MODES, Settings, conceal_file
from pipelines.on_damage import ON_DAMAGE
from pipelines.progress import Bar, JsonLines
from pipelines.reading import is_live
from pipelines.stopping import signals, silence_stdout
from pipelines.summary import summary
from pipelines.writing import STDOUT, EncoderSettings

log = logging.getLogger("conceal")

_DESCRIPTION = """\
Finds the damaged parts of H.264 and HEVC video and repairs them inside the decoder's reference pictures.
Audio, subtitles, chapters and metadata are copied. What is not damaged is copied packet by packet.\
"""
_EPILOG = """\
examples:
  conceal in.mp4 out.mp4
  conceal in.ts out.mkv --report report.json
  conceal in.mkv lossless.mkv --encoder ffv1
  conceal --output gop in.mp4 out.mp4
  conceal --dry-run --json in.mp4
  receiver | conceal - - -f mpegts | player
  conceal udp://:5000 out.mkv
  conceal --reconnect udp://239.1.1.1:5000 udp://127.0.0.1:6000
  conceal session.sdp rtmp://host/app/key
  conceal check archive/                  # which files are damaged, how much: conceal check --help

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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conceal",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="any container FFmpeg reads, raw .264/.265, or - for stdin")
    parser.add_argument("output", metavar="OUT", nargs="?", help="written by its suffix, or - for stdout with -f")
    files = parser.add_argument_group("files")
    files.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists (else refused)")
    files.add_argument("-f", "--format", metavar="FORMAT", help="container of OUT, e.g. mp4, matroska, mpegts")
    files.add_argument("--input-format", metavar="FORMAT", help="container of IN where it cannot be told, e.g. h264")
    files.add_argument(
        "--sdp", metavar="FILE", help="session description with the parameter sets that IN lacks (sprop)"
    )
    files.add_argument(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="processes that look for damage in a file and repair it (default: all cores)",
    )
    files.add_argument("--reconnect", action="store_true", help="open a live IN again when it ends or falls silent")
    files.add_argument("--keep-partial", action="store_true", help="when interrupted, complete OUT with what was done")
    _add_video_options(parser)
    _add_policy_options(parser)
    out = parser.add_argument_group("what is told")
    out.add_argument("--dry-run", action="store_true", help="find the damage only, write no video")
    out.add_argument("--report", metavar="FILE", help="write a JSON report of every picture (docs/report.md)")
    out.add_argument(
        "--metrics", metavar="ADDR:PORT", help="serve counts for Prometheus while it runs (:PORT: to this machine only)"
    )
    out.add_argument("--json", action="store_true", help="summary as JSON on stdout, progress as JSON lines on stderr")
    out.add_argument("-q", "--quiet", action="store_true", help="errors only")
    out.add_argument("-v", "--verbose", action="store_true", help="log details, tracebacks of errors")
    out.add_argument("--version", action="version", version=f"conceal {__version__}")
    return parser


def _add_video_options(parser: argparse.ArgumentParser) -> None:
    video = parser.add_argument_group("repair and encoding")
    video.add_argument(
        "--output",
        dest="mode",
        choices=OUTPUT_MODES,
        default="auto",
        help="what changes of a damaged file: splice (encode nothing: slices that carry the repair go into the gaps), "
        "gop (encode groups of pictures with damage anew, copy the others), encode (all of it), "
        "auto (as little as the stream allows; all where an encoder's option is given) (default: auto)",
    )
    video.add_argument("--splice", action="store_const", const="splice", dest="mode", help="--output splice")
    video.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="repair (default: auto, best fit)",
    )
    video.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the generative method's network (default: auto, the fastest here)",
    )
    video.add_argument(
        "--lookahead",
        type=int,
        metavar="N",
        help="access units that repair may look ahead, which come out that much later (default: 2, live 0)",
    )
    _add_encoder_options(video)


def _add_encoder_options(video: argparse._ArgumentGroup) -> None:
    video.add_argument(
        "--encoder",
        metavar="NAME",
        help="FFmpeg encoder; ffv1 is lossless (default: libx264 or libx265, as IN is)",
    )
    video.add_argument(
        "--crf",
        type=float,
        metavar="N",
        help="constant quality (default: 14 for libx264, 16 for libx265: visually lossless)",
    )
    video.add_argument("--preset", help="encoder preset (default: medium for libx264, fast for libx265)")
    video.add_argument("--always-encode", action="store_true", help="encode even if nothing is damaged")


def _add_policy_options(parser: argparse.ArgumentParser) -> None:
    shown = parser.add_argument_group("what is shown of damage and of what is missing")
    shown.add_argument(
        "--on-damage",
        choices=ON_DAMAGE,
        default="conceal",
        help="what is shown in place of a damaged picture, of one predicted from damage, and of a stream joined in "
        "mid-GOP: conceal (it as repaired), hold (the last good picture), drop (nothing) (default: conceal)",
    )
    shown.add_argument(
        "--min-confidence",
        type=float,
        metavar="C",
        help="with hold and drop, show repaired pictures of at least this confidence, 0 to 1 (default: 1, none)",
    )
    shown.add_argument(
        "--outage",
        metavar="hold|FILE",
        help="while a live IN says nothing, go on with its last good picture or the one in FILE, and silence",
    )
    shown.add_argument(
        "--fill-gaps",
        type=float,
        metavar="SECONDS",
        help="make pictures for holes in time up to this long, which lost pictures that nobody refers to leave behind; "
        "0 leaves them (default: 1; files and pipes only)",
    )
    shown.add_argument("--freeze-gaps", action="store_true", help="show the last picture throughout longer holes")


def _live_preset(args: argparse.Namespace) -> str | None:
    """A preset that keeps up with a live input, where none is asked for."""
    return "veryfast" if is_live(args.input) and args.encoder is None else None


def _settings(args: argparse.Namespace) -> Settings:
    if args.mode == "splice":
        given = {"--encoder": args.encoder, "--crf": args.crf, "--preset": args.preset}
        given |= {"--freeze-gaps": args.freeze_gaps or None}
        idle = [name for name, value in given.items() if value is not None]
        idle += ["--always-encode"] * args.always_encode + ["--on-damage"] * (args.on_damage != "conceal")
        if idle:
            raise UsageError(f"{', '.join(idle)}: --output splice encodes nothing")
    return Settings(
        encoder=EncoderSettings(args.encoder, args.crf, args.preset or _live_preset(args)),
        method=args.method,
        engine=args.engine,
        lookahead=args.lookahead,
        on_damage=args.on_damage,
        min_confidence=args.min_confidence,
        outage=args.outage,
        metrics=args.metrics,
        output_format=args.format,
        input_format=args.input_format,
        sdp=args.sdp,
        overwrite=args.overwrite,
        always_encode=args.always_encode,
        output=args.mode,
        jobs=args.jobs,
        fill_gaps=Settings.fill_gaps if args.fill_gaps is None else args.fill_gaps,
        freeze_gaps=args.freeze_gaps,
        dry_run=args.dry_run,
        keep_partial=args.keep_partial,
        reconnect=args.reconnect,
        report=args.report,
    )


class _Log(logging.Handler):
    """One line a message on stderr, above the progress bar."""

    def __init__(self, display: Bar | JsonLines) -> None:
        super().__init__()
        self._display = display
        self.setFormatter(logging.Formatter("conceal: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._display.clear()
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _logging(args: argparse.Namespace, display: Bar | JsonLines) -> Iterator[None]:
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


def _run(args: argparse.Namespace, display: Bar | JsonLines) -> int:
    stop = threading.Event()
    show = args.json or (sys.stderr.isatty() and not args.quiet)
    with signals(stop):
        result = conceal_file(
            args.input,
            args.output,
            _settings(args),
            on_progress=display if show else None,
            stopped=stop.is_set,
        )
    display.clear()
    if result.interrupted:
        log.warning("interrupted: the output holds the first %d pictures", result.pictures_written)
    if args.json:
        # Where the video goes to stdout, the summary must not.
        print(json.dumps(result.as_dict()), file=sys.stderr if args.output == STDOUT else sys.stdout)
    elif not args.quiet:
        print(f"conceal: {summary(result)}", file=sys.stderr)
    return Interrupted.exit_code if result.interrupted else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] == "check":
        return check_cli.main(argv[1:])
    args = build_parser().parse_args(argv)
    display: Bar | JsonLines = JsonLines() if args.json else Bar()
    with _logging(args, display):
        try:
            return _run(args, display)
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
        if args.output == STDOUT:
            silence_stdout()
        return code


if __name__ == "__main__":
    sys.exit(main())
