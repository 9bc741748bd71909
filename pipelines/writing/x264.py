"""x264 made to give the same bytes for the same pictures."""

from __future__ import annotations

import cv2

_SIMD = "AVX2,BMI2,FMA3,LZCNT"
"""What x264 (core 165) is to use on processors with AVX-512, of which these are a part: its macroblock tree reads
memory there that it never wrote, so that the same pictures come out differently. Nothing is slower for it."""
_AVX_512F = 13
"""CV_CPU_AVX_512F."""


def x264_simd() -> str | None:
    """Value of x264's parameter `asm` on this processor; None: x264's own choice."""
    return _SIMD if cv2.checkHardwareSupport(_AVX_512F) else None


def reproducible(parameters: str) -> str:
    """Value of `x264-params`, with what makes it reproducible."""
    simd = x264_simd()
    return f"{parameters}:asm={simd}" if simd else parameters
