"""Transport packets by the thousand: on arrays, while they are in step, what `ContinuityChecker` does one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from concealer.bitstream.transport.mpegts import (
    MOST_BYTES,
    NULL_PID,
    PACKET,
    SYNC,
    ContinuityChecker,
    PesPacket,
    PidState,
    is_video,
    pes_packet,
)

_HEAD = 4
"""Bytes of a packet's header (2.4.3.2)."""
_BODY = PACKET - _HEAD
Rows = npt.NDArray[np.uint8]
Index = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


class BulkChecker(ContinuityChecker):
    """Gives the same PES packets, in each PID's own order, and counts the same losses, about ten times as fast.

    For files, read in pieces of megabytes. The differences: what the tables in a piece say holds for all of the piece,
    not from the place on where they say it; and the last PES packet of a stream that moves comes at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flagged = 0
        """Packets that a demodulator marked as damaged (transport_error_indicator)."""
        self.scrambled = 0
        """Packets whose payload is encrypted."""
        self.astray = 0
        """Bytes that no packet begins with."""

    @property
    def successors(self) -> dict[int, int]:
        """PIDs that streams had at first by those they moved to."""
        return self._tables.successors

    def push(self, data: bytes) -> list[PesPacket]:
        data = self._rest + data if self._rest else data
        whole = np.frombuffer(data, np.uint8)
        done: list[PesPacket] = []
        pos = 0
        while pos + PACKET <= len(data):
            count = _in_step(whole[pos:])
            if count:
                self._packets(whole[pos : pos + count * PACKET].reshape(count, PACKET), done)
                self._in_step = True
                pos += count * PACKET
                continue
            found = self._look_again(data, pos, done)
            if found is None:
                break
            self.astray += found - pos
            pos = found
        self._rest = data[pos:]
        return done

    def _packets(self, rows: Rows, done: list[PesPacket]) -> None:
        head = np.ascontiguousarray(rows[:, :6].T)
        numbers = (head[1] & 0x1F).astype(np.uint16) << 8 | head[2]
        used = numbers != NULL_PID
        flagged, scrambled = head[1] & 0x80 != 0, head[3] & 0xC0 != 0
        self.flagged += int(np.count_nonzero(flagged & used))
        self.scrambled += int(np.count_nonzero(scrambled & used))
        adapted = head[3] & 0x20 != 0
        starts = np.where(adapted, head[4].astype(np.intp) + _HEAD + 1, _HEAD)
        restarts = adapted & (head[4] > 0) & (head[5] & 0x80 != 0)
        used &= ~(flagged | scrambled) & (head[3] & 0x10 != 0) & (starts < PACKET)
        counters = head[3] & 15
        begins = head[1] & 0x40 != 0
        known, first = np.unique(numbers[used], return_index=True)
        # In the order in which they begin: where a stream moves to another PID, what it had first comes first.
        of_pid = {int(known[n]): np.flatnonzero(used & (numbers == known[n])) for n in np.argsort(first)}
        # Tables first, the association before the maps: they tell what the others are.
        for number in sorted(of_pid):
            if self._tables.holds(number) and number not in self.seen:
                self._table(number, rows[of_pid.pop(number)], done)
        for number, index in of_pid.items():
            if self._tables.holds(number) and number not in self.seen:  # a map that its association came behind
                self._table(number, rows[index], done)
                continue
            self._of_pid(number, rows, index, starts, counters, restarts, begins, done)

    def _table(self, number: int, rows: Rows, done: list[PesPacket]) -> None:
        """Packets that hold tables: nearly all of them say once more what the one before said."""
        pid = self._pids.setdefault(number, PidState())
        for row in rows:
            packet = row.tobytes()
            again = packet[4:] == pid.last[4:] and packet[1] & 0x40 and packet[3] & 0x30 == 0x10
            if again and pid.counter is not None and packet[3] & 15 == pid.counter + 1 & 15:
                pid.counter, pid.last = packet[3] & 15, packet
            else:
                self._packet(packet, done)

    def _of_pid(
        self,
        number: int,
        rows: Rows,
        index: Index,
        starts: Index,
        counters: Rows,
        restarts: Flags,
        begins: Flags,
        done: list[PesPacket],
    ) -> None:
        """The packets of one PID that hold a payload, at `index` in the arrays of all."""
        pid = self._pids.setdefault(number, PidState())
        count, free = counters[index], restarts[index]
        before = np.empty_like(count)
        before[1:] = count[:-1]
        before[0] = int(count[0]) - 1 & 15 if pid.counter is None else pid.counter
        same = np.flatnonzero((count == before) & ~free)
        lost = (count != (before + 1 & 15)) & ~free
        if len(same):
            twice = [at for at in same.tolist() if _is_repeated(rows, index, at, pid)]
            index, lost = np.delete(index, twice), np.delete(lost, twice)
            if not len(index):
                return
        self.losses += int(np.count_nonzero(lost))
        pid.counter, pid.last = int(counters[index[-1]]), rows[index[-1]].tobytes()
        first = 0
        if number not in self.seen:
            found = self._first_of_video(number, rows, index, starts, begins)
            if found is None:
                return
            first = found
            self.seen.add(number)
        at = index[first:]
        old = self._pids.get(self.successors.get(number, number))
        if old is not None and old is not pid:
            self._end(self.successors[number], old, False, done)
        self._gather_all(number, pid, rows[:, _HEAD:][at], starts[at] - _HEAD, begins[at], lost[first:], done)

    def _first_of_video(self, number: int, rows: Rows, index: Index, starts: Index, begins: Flags) -> int | None:
        """The place in `index` from which a PID is gathered."""
        for at in np.flatnonzero(begins[index]).tolist():
            row = index[at]
            if number in self.codecs or is_video(rows[row, starts[row] : starts[row] + _HEAD].tobytes()):
                return int(at)
        return None

    def _gather_all(
        self, number: int, pid: PidState, rows: Rows, cuts: Index, begins: Flags, lost: Flags, done: list[PesPacket]
    ) -> None:
        """rows: packets without their headers. cuts: bytes of each one's adaptation field."""
        payload = memoryview(_joined(rows, cuts))
        places = np.zeros(len(rows) + 1, np.intp)
        np.cumsum(_BODY - cuts, out=places[1:])
        bounds = [*np.flatnonzero(begins).tolist(), len(rows)]
        gaps = [row for row in np.flatnonzero(lost).tolist() if not begins[row]]
        if pid.parts is not None and bounds[0]:
            behind = len(pid.parts)
            pid.gaps += [behind + int(places[row]) for row in gaps if row < bounds[0]]
            pid.parts += payload[: places[bounds[0]]]
            if len(pid.parts) > MOST_BYTES:
                self._end(number, pid, True, done)
        if len(bounds) == 1:
            return
        self._end(number, pid, bool(lost[bounds[0]]), done)
        gaps = [row for row in gaps if row > bounds[0]]
        for first, end in zip(bounds, bounds[1:], strict=False):
            start = int(places[first])
            inside = [int(places[row]) - start for row in gaps if first < row < end] if gaps else []
            piece = payload[start : int(places[end])]
            if end == len(rows):
                pid.parts, pid.gaps = bytearray(piece), inside
            elif (pes := pes_packet(number, piece, inside, bool(lost[end]))) is not None:
                done.append(pes)


def _in_step(data: Rows) -> int:
    """Packets in a row at the start, each with another one, or the end, behind it."""
    count = len(data) // PACKET
    sync = data[::PACKET] == SYNC
    good = sync[:count].copy()
    good[: len(sync) - 1] &= sync[1:]
    return count if good.all() else int(good.argmin())


def _is_repeated(rows: Rows, index: Index, at: int, pid: PidState) -> bool:
    """Whether a packet is the one before it once more (2.4.3.3)."""
    packet = rows[index[at]].tobytes()
    return packet == (rows[index[at - 1]].tobytes() if at else pid.last)


def _joined(rows: Rows, cuts: Index) -> bytes:
    """Payloads one after the other."""
    flat = memoryview(rows.reshape(-1).data)
    pieces, done = [], 0
    odd = np.flatnonzero(cuts)
    for row, cut in zip(odd.tolist(), cuts[odd].tolist(), strict=True):
        pieces.append(flat[done : row * _BODY])
        done = row * _BODY + cut
    pieces.append(flat[done:])
    return b"".join(pieces)
