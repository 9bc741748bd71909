"""A UDP port of this machine, or a multicast group."""

from __future__ import annotations

import ipaddress
import socket
import struct

_RECEIVE_BYTES = 4 << 20
"""Asked of the system; it gives what its limit allows."""


def bound_socket(host: str, port: int | None) -> socket.socket:
    """A socket that receives what is sent to the address. Raises OSError, ValueError."""
    if port is None:
        raise ValueError("no port given")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        made.bind((host, port))
        if host and host != "localhost" and ipaddress.ip_address(host).is_multicast:
            group = struct.pack("4s4s", socket.inet_aton(host), socket.inet_aton("0.0.0.0"))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    except BaseException:
        made.close()
        raise
    return made
