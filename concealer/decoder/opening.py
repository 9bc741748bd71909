"""The decoder of one stream: with the hook where it holds, without it elsewhere."""

from __future__ import annotations

import logging

from concealer.bitstream import Codec
from concealer.decoder.hook import DecoderCore, HookUnavailableError, PlainCore

log = logging.getLogger(__name__)


def open_core(codec: Codec, threads: int, hook: bool) -> DecoderCore | PlainCore:
    """threads: slice threads. hook: False leaves it out on purpose."""
    if hook:
        try:
            return DecoderCore(codec, threads)
        except HookUnavailableError as error:
            log.warning("decoder hook not available (%s): repairing output pictures instead", error)
    return PlainCore(codec, threads)
