"""What was done, in one line."""

from __future__ import annotations

from pipelines.jobs import ConcealResult, SpliceTotals
from pipelines.writing import STDOUT


def summary(result: ConcealResult) -> str:
    """One line for people; what they should know beside success is in it with its number."""
    totals = result.totals
    pictures = counted(totals.pictures, "picture")
    if result.action == "copied":
        exactly = " bit-exactly" if result.exact else ", the video bit-exactly" if result.video_exact else ""
        text = f"no damage in {pictures}: copied{'' if totals.retimed else exactly}"
    elif result.action == "spliced" and result.splice is not None:
        changed = result.splice.inserted or result.splice.replaced or result.splice.misplaced
        done = "repaired in the stream" if changed else "damaged, left as they came"
        left = min(result.splice.unmended, totals.damaged) if changed else 0
        text = f"{totals.damaged - left} of {pictures} {done}" if totals.damaged else f"no damage in {pictures}"
        if left:
            text += f", {counted(left, 'damaged one')} left as {'they' if left > 1 else 'it'} came"
        text += f": {_spliced(result.splice)}"
    elif result.action == "encoded" or not totals.damaged:
        text = f"no damage in {pictures}{': encoded' if result.action != 'analysed' else ''}"
    else:
        analysed = result.action == "analysed"
        text = f"{totals.damaged} of {pictures} damaged" if analysed else f"{totals.repaired} of {pictures} repaired"
        if result.kept is not None:
            text += f" in {counted(result.kept.groups_encoded, 'group')} of pictures, all else kept as it was"
        left = totals.damaged - totals.repaired
        if left > 0 and not analysed:
            text += f", {counted(left, 'damaged one')} left to the decoder's concealment"
        details = [f"{count} x {cause}" for cause, count in sorted(totals.causes.items())]
        if details:
            text += f" ({', '.join(details)})"
    found = [] if result.salvaged is None else [result.salvaged.text()]
    return ", ".join([text, *found, *_remarks(result), f"{result.seconds:.1f} s"]) + _target(result)


def counted(count: int, what: str) -> str:
    """A number and the noun to it, which takes an s."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def _remarks(result: ConcealResult) -> list[str]:
    totals = result.totals
    missing = sum(one.missing for one in result.accounts)
    analysed, spliced = result.action == "analysed", result.action == "spliced"
    passed_over = "found" if analysed else "left out"
    misplaced = 0 if spliced else totals.misplaced  # told of what was done to the stream
    known = [
        (totals.unreadable_sets, f"{counted(totals.unreadable_sets, 'damaged parameter set')} {passed_over}"),
        (misplaced, f"{counted(misplaced, 'access unit')} {'out of' if analysed else 'put in'} place"),
        (totals.held, f"{counted(totals.held, 'picture')} held"),
        (totals.dropped, f"{counted(totals.dropped, 'picture')} dropped"),
        (totals.retimed, f"{counted(totals.retimed, 'wrong time')} {'found' if analysed else 'put right'}"),
        (totals.saved_blocks, f"{counted(totals.saved_blocks, 'block')} behind damage saved"),
        (totals.without_references, f"{totals.without_references} predicted from what lies before the start"),
        (len(result.dropped), f"{counted(len(result.dropped), 'stream')} left out"),
        (missing, f"{counted(missing, 'packet')} not shown"),
        (result.losses, f"transport packets missing at {counted(result.losses, 'place')}"),
        (result.unread, f"{counted(result.unread, 'byte')} of the input not read"),
    ]
    return [text for count, text in known if count]


def _target(result: ConcealResult) -> str:
    return f" -> {result.output}" if result.output and result.output != STDOUT else ""


def _spliced(splice: SpliceTotals) -> str:
    growth = splice.bytes_out / max(splice.bytes_in, 1) - 1
    text = f"{counted(splice.kept, 'NAL unit')} kept, {splice.inserted} inserted"
    if splice.replaced:
        text += f", {counted(splice.replaced, 'corrupt one')} replaced"
    if splice.misplaced:
        text += f", {counted(splice.misplaced, 'access unit')} put in place"
    return f"{text}, {growth:+.1%} bytes"
