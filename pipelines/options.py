"""Options of the command line that `conceal` and `conceal archive` share, and the settings that come of them."""

from __future__ import annotations

import argparse

from concealer.repair import METHODS
from pipelines.errors import UsageError
from pipelines.generative import ENGINES
from pipelines.jobs import OUTPUT_MODES, Settings
from pipelines.on_damage import ON_DAMAGE
from pipelines.writing import EncoderSettings


def add_video_options(parser: argparse.ArgumentParser) -> None:
    """Repair and encoding."""
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
        "--network",
        default="auto",
        metavar="NAME",
        help="the generative method's network, by its name in `conceal-engines list` (default: auto, the one that did "
        "best on held-out pictures)",
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


def add_policy_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """What is shown of damage and of what is missing; the group, for more of the kind."""
    shown = parser.add_argument_group("what is shown of damage and of what is missing")
    shown.add_argument(
        "--on-damage",
        choices=ON_DAMAGE,
        default="conceal",
        help="what is shown in place of a damaged picture, of one predicted from damage, and of a stream joined in "
        "mid-GOP: conceal (it as repaired, nothing before the first of use), hold (the last good picture), "
        "drop (nothing) (default: conceal)",
    )
    shown.add_argument(
        "--min-confidence",
        type=float,
        metavar="C",
        help="with hold and drop, show repaired pictures of at least this confidence, 0 to 1 (default: 1, none)",
    )
    shown.add_argument(
        "--fill-gaps",
        type=float,
        metavar="SECONDS",
        help="make pictures for holes in time up to this long, which lost pictures that nobody refers to leave behind; "
        "0 leaves them (default: 1; files and pipes only)",
    )
    shown.add_argument("--freeze-gaps", action="store_true", help="show the last picture throughout longer holes")
    return shown


def settings_of(args: argparse.Namespace) -> Settings:
    """Of what the options above say. Raises UsageError."""
    if args.mode == "splice":
        given = {"--encoder": args.encoder, "--crf": args.crf, "--preset": args.preset}
        given |= {"--freeze-gaps": args.freeze_gaps or None}
        idle = [name for name, value in given.items() if value is not None]
        idle += ["--always-encode"] * args.always_encode + ["--on-damage"] * (args.on_damage != "conceal")
        if idle:
            raise UsageError(f"{', '.join(idle)}: --output splice encodes nothing")
    return Settings(
        encoder=EncoderSettings(args.encoder, args.crf, args.preset),
        method=args.method,
        engine=args.engine,
        network=args.network,
        lookahead=args.lookahead,
        on_damage=args.on_damage,
        min_confidence=args.min_confidence,
        always_encode=args.always_encode,
        output=args.mode,
        fill_gaps=Settings.fill_gaps if args.fill_gaps is None else args.fill_gaps,
        freeze_gaps=args.freeze_gaps,
        overwrite=args.overwrite,
        output_format=args.format,
        input_format=args.input_format,
    )
