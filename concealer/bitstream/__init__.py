"""Bytes of H.264 and HEVC: NAL units, headers, what arrived and what is missing. No decoding, no pixels."""
