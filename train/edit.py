"""`python -m train.edit`: change a face in a picture with SGIN: remove what hides it, edit its map, swap its styles.

The face is the central square of the picture, cut as training pictures are (eyes level at 0.42 of the height, side 3.6
distances between the eyes), or where `--eyes` says. Pixels that an edit does not reach stay as they are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concealer.face_map import PARTS

if TYPE_CHECKING:
    from torch import Tensor

    from train.sgin.editing import Editor
    from train.sgin.map_edits import Labels

_WEIGHTS = Path(__file__).parent / "weights"


def _parser() -> argparse.ArgumentParser:
    from train.sgin.map_edits import EDITS

    about = (__doc__ or "").partition(": ")[2]
    parser = argparse.ArgumentParser(prog="python -m train.edit", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    remove = commands.add_parser("remove", help="paint what is behind hands, objects and damage")
    change = commands.add_parser("map", help="move, stretch or repaint the regions of the face")
    change.add_argument("--edit", action="append", default=[], choices=EDITS, help="may be given several times")
    change.add_argument("--map", type=Path, help="a map painted by hand in place of the predicted one")
    change.add_argument("--save-map", type=Path, help="write the map that was used, to be painted on")
    style = commands.add_parser("style", help="take the look of regions from another face")
    style.add_argument("--source", type=Path, required=True, help="picture of the other face")
    style.add_argument("--regions", help=f"of {', '.join(PARTS)} (default: all that both faces show)")
    eyes: dict[str, Any] = {"type": float, "nargs": 4, "metavar": ("X", "Y", "X2", "Y2")}
    style.add_argument("--source-eyes", **eyes, help="centres of the other face's eyes, pixels")
    for command in (remove, change, style):
        command.add_argument("input", type=Path)
        command.add_argument("output", type=Path)
        command.add_argument("--eyes", **eyes, help="centres of the eyes in the input, pixels")
        command.add_argument("--mask", type=Path, help="picture as large as the input, white on what is missing")
        command.add_argument("--whole", action="store_true", help="the generator's picture of the whole face")
        command.add_argument(
            "--sheet", type=Path, help="before, mask, map and after in a row, as the network sees them"
        )
        command.add_argument("--weights", type=Path, default=_WEIGHTS, help="folder of runs (default: those shipped)")
        command.add_argument("--size", type=int, default=64, choices=(64, 128, 256), help="side the networks work at")
    return parser


def main() -> int:
    """Exit codes: 0 written, 1 failed, 2 bad usage."""
    options = _parser().parse_args()
    try:
        _run(options)
    except (ValueError, OSError) as error:
        print(f"train.edit: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    import torch

    from train.sgin.editing import load_editor, open_face, write_picture
    from train.sgin.regions import coloured
    from train.sheet import write_sheet

    editor = load_editor(options.weights, options.size)
    face = open_face(options.input, options.eyes)
    image = face.square(editor.size)
    mask = _mask(options, editor, image)
    before = after = editor.labels(image, mask)
    if options.command == "remove":
        drawn, new = editor.remove(image, mask)
    elif options.command == "map":
        after = _edited(options, before)
        drawn, new = editor.edit_map(image, mask, before, after)
    else:
        source = open_face(options.source, options.source_eyes).square(editor.size)
        drawn, new = editor.swap_styles(image, mask, source, _regions(options.regions))
    if options.whole:
        new = torch.ones_like(new)
    write_picture(options.output, face.with_face(drawn, new))
    if options.sheet is not None:
        maps = coloured(torch.from_numpy(after.astype(int))[None])
        row = torch.cat([image, new.expand(-1, 3, -1, -1) * 2 - 1, maps, drawn * new + image * (1 - new)])
        write_sheet(options.sheet, [row])


def _mask(options: argparse.Namespace, editor: Editor, image: Tensor) -> Tensor:
    """What is missing of the face's square, (1, 1, S, S): as given, else what hides it for `remove`, else nothing."""
    from train.sgin.editing import Face, open_face, read_picture

    if options.mask is None:
        return editor.hidden(image) if options.command == "remove" else image[:, :1] * 0
    face, picture = open_face(options.input, options.eyes), read_picture(options.mask)
    if picture.shape != face.picture.shape:
        sides = [f"{one.shape[1]}x{one.shape[0]}" for one in (picture, face.picture)]
        raise ValueError(f"{options.mask} is {sides[0]}, the input {sides[1]}")
    return (Face(picture, face.corner, face.side).square(editor.size).mean(1, keepdim=True) > 0).float()


def _edited(options: argparse.Namespace, before: Labels) -> Labels:
    """The predicted map, or the painted one, after the edits. Raises ValueError if nothing is asked for."""
    from train.sgin.editing import read_picture, write_picture
    from train.sgin.map_edits import EDITS, painted, read_painted

    if options.map is None and not options.edit and options.save_map is None:
        raise ValueError("nothing to do: give --edit, --map or --save-map")
    after = before if options.map is None else read_painted(read_picture(options.map), len(before))
    for name in options.edit:
        after = EDITS[name](after)
    if options.save_map is not None:
        write_picture(options.save_map, painted(after))
    return after


def _regions(text: str | None) -> list[str] | None:
    """Names of regions of a list with commas, None for none given. Raises ValueError for unknown ones."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PARTS:
            raise ValueError(f"no region {name!r}; there are: {', '.join(PARTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
