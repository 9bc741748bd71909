"""HEVC P and B slices written in place of lost ones: skipped, or with a given motion field (7.3.8)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from concealer.bitstream import NalUnit, escape, hevc
from concealer.bitstream.hevc import Pps, Sps
from concealer.standins.cabac import TERMINATE_STATE, State, Symbol, exp_golomb
from concealer.standins.errors import UnsupportedStandInError
from concealer.standins.hevc.contexts import initial_states
from concealer.standins.hevc.header import slice_header_rbsp
from concealer.standins.hevc.residual import CONTEXTS
from concealer.standins.hevc.substreams import CodingOrder, SliceShape, code_slice_data, coding_order

Motion = npt.NDArray[np.int16]
"""(lists, rows8, cols8, 2): vectors (x, y) in quarter luma samples for each 8x8 block of the picture."""

# Context indices, and initValue (9.3.2.2) for P (initType 1) and B slices (initType 2).
_SPLIT, _SKIP, _MERGE_INDEX, _MERGE, _INTRA, _PART, _PREDICTION, _REFERENCE = 0, 3, 6, 7, 8, 9, 10, 15
_CANDIDATE, _ROOT_CBF, _GREATER_0, _GREATER_1, _BYPASS_CU, _TERMINATE = 17, 18, 19, 20, 21, 22
_QP_DELTA = 23
_INIT = {
    hevc.P: (107, 139, 126, 197, 185, 201, 122, 110, 149, 154, 95, 79, 63, 31, 31, 153, 153, 168, 79, 140,
             198, 154),
    hevc.B: (107, 139, 126, 197, 185, 201, 137, 154, 134, 154, 95, 79, 63, 31, 31, 153, 153, 168, 79, 169,
             198, 154),
}  # fmt: skip

Units = Mapping[tuple[int, int], tuple[Sequence[Symbol], Sequence[Symbol]]]
"""By place (x, y) in units of 8 luma samples: symbols from rqt_root_cbf to cbf_luma, and those of the coefficients."""
TRANSFORM_CONTEXTS = {
    "P": (154, 124, 138, 94, 153, 111, 149, 107),
    "B": (154, 224, 167, 122, 153, 111, 149, 92),
}
"""initValue of cu_qp_delta_abs, split_transform_flag (3), cbf_luma (2), cbf_cb and cbf_cr (2); they follow
`_TERMINATE`, and `residual.CONTEXTS` follow them."""

_Cell = tuple[list[int], int, bool]
"""What a coded 8x8 block is to its neighbours: vectors (x, y of each list), depth, cu_skip_flag."""


def inter_standin(
    sibling: hevc.SliceHeader,
    first: int,
    end: int,
    motion: Motion | None = None,
    *,
    references: tuple[int | None, int | None] = (0, 0),
    smallest: int = 16,
    units: Units | None = None,
) -> NalUnit:
    """A slice without residual for the CTBs at places `first`..`end` - 1 in coding order.

    `sibling`: header of any P or B slice of the same picture, whose references, weights and filters are
    taken over. `motion` None: skipped CUs with zero motion, which repeat reference 0 (in B slices the mean
    of both). Else a field at 8x8 granularity for the lists used; CUs are as large as it is uniform, but not
    smaller than `smallest` (8, 16, 32 or 64) where the picture's border allows, and then take the vector of
    their centre. `references`: index into each list, None = list not used; in P slices the second is
    ignored. `units`: symbols of residual data of 16x16 CUs, with `smallest` 16: see `coded_standin`.
    `coding_order(sps, pps).legal_ranges` tells where a range has to be cut; dependent slice segments that
    follow the range are lost with it, since they continue its contexts.

    Cost: about 4 microseconds a CU with motion; skipped slices are remembered.

    Raises UnsupportedStandInError if the stream has no such slice, ValueError for wrong arguments.
    """
    _check(sibling)
    header = copy.copy(sibling)
    header.dependent = header.mvd_l1_zero = header.cabac_init = header.use_integer_mv = False
    header.temporal_mvp = header.sao_luma = header.sao_chroma = False
    sps, pps = header.sps, header.pps
    order = coding_order(sps, pps)
    order.check(first, end)
    header.first_slice_segment, header.address = first == 0, order.scan[first]
    qp = pps.init_qp + header.slice_qp_delta
    if motion is None:
        key = (header.slice_type, max(0, min(51, qp)), header.max_num_merge_cand > 1)
        coded = _skipped(SliceShape(sps, pps), key, first, end)
    else:
        lists = _lists(header, references, motion)
        top, bottom = order.rows(first, end)
        field = _Field(motion, top << sps.log2_ctb - 3, bottom << sps.log2_ctb - 3, smallest)
        coder = _InterCoder(sps, pps, header.slice_type, header.max_num_merge_cand > 1, top, lists, field, units)
        coded = _coded(coder, order, _contexts(header.slice_type, qp), first, end)
    head = slice_header_rbsp(header, [len(part) for part in coded[:-1]])
    return NalUnit(escape(head) + b"".join(coded))


def _check(h: hevc.SliceHeader) -> None:
    if h.slice_type == hevc.I:
        raise UnsupportedStandInError("an intra slice has no references to predict from")
    if h.sps.separate_colour_plane:
        raise UnsupportedStandInError("separately coded colour planes")
    if h.pps.curr_pic_ref or h.sps.motion_vector_resolution_control_idc == 1:
        raise UnsupportedStandInError("screen content coding of the current picture as reference")


def _lists(
    h: hevc.SliceHeader, references: tuple[int | None, int | None], motion: Motion
) -> list[tuple[int, int, int]]:
    """(list, reference index, number of references) of each list used."""
    lists = [
        (x, index, h.num_ref_idx[x])
        for x, index in enumerate(references)
        if index is not None and (x == 0 or h.slice_type == hevc.B)
    ]
    if h.slice_type == hevc.B and motion.shape[0] == 1 and len(lists) == 2:
        lists = lists[:1]
    shape = (len(lists), h.sps.height >> 3, h.sps.width >> 3, 2)
    if not lists or motion.shape != shape or motion.dtype != np.int16:
        raise ValueError(f"motion must be int16 {shape}, got {motion.dtype} {motion.shape}")
    for x, index, count in lists:
        if not 0 <= index < count:
            raise ValueError(f"list {x} has {count} references, got index {index}")
    return lists


@lru_cache(maxsize=256)
def _contexts(slice_type: int, qp: int) -> tuple[State, ...]:
    kind = "B" if slice_type == hevc.B else "P"
    behind = (*TRANSFORM_CONTEXTS[kind], *CONTEXTS[kind])
    return (*initial_states(_INIT[slice_type], qp), TERMINATE_STATE, *initial_states(behind, qp))


@lru_cache(maxsize=512)
def _skipped(shape: SliceShape, key: tuple[int, int, bool], first: int, end: int) -> list[bytes]:
    slice_type, qp, has_merge_index = key
    order = coding_order(shape.sps, shape.pps)
    coder = _InterCoder(shape.sps, shape.pps, slice_type, has_merge_index, order.rows(first, end)[0], [], None)
    return _coded(coder, order, _contexts(slice_type, qp), first, end)


def _coded(coder: _InterCoder, order: CodingOrder, contexts: Sequence[State], first: int, end: int) -> list[bytes]:
    """Substreams with emulation prevention; none can need any at a seam, since they end in a one bit."""
    streams = order.substreams(first, end)
    data = code_slice_data(streams, contexts, _TERMINATE, coder.code_ctb, coder.start_tile)
    return [escape(part) for part in data]


@lru_cache(maxsize=8192)
def _difference(x: int, y: int) -> tuple[Symbol, ...]:
    """mvd_coding (7.3.8.9) and the mvp flag 0 after it."""
    # Vectors are added modulo 2**16 (8-94), so a difference that leaves the range may wrap.
    x, y = (x + 0x8000 & 0xFFFF) - 0x8000, (y + 0x8000 & 0xFFFF) - 0x8000
    symbols: list[Symbol] = [(_GREATER_0, int(x != 0)), (_GREATER_0, int(y != 0))]
    symbols += [(_GREATER_1, int(abs(part) > 1)) for part in (x, y) if part]
    for part in (x, y):
        if part:
            if abs(part) > 1:
                bits, count = exp_golomb(abs(part) - 2, 1)
                symbols.append((-count - 1, bits << 1 | (part < 0)))
            else:
                symbols.append((-1, int(part < 0)))
    return (*symbols, (_CANDIDATE, 0))


class _Field:
    """A motion field seen at each block size: vectors at the block's centre, and whether it is uniform."""

    def __init__(self, motion: Motion, top: int, bottom: int, smallest: int) -> None:
        """Rows `top`..`bottom` - 1 of `motion` are kept and counted from 0; `top` is a multiple of the CTB size."""
        if smallest not in (8, 16, 32, 64):
            raise ValueError(f"smallest must be 8, 16, 32 or 64, got {smallest}")
        self._smallest = smallest >> 3
        motion = motion[:, top:bottom]
        lists, rows, cols, _ = motion.shape
        pad_rows, pad_cols = -rows % 8, -cols % 8
        self._has_odd_blocks = bool(rows % self._smallest or cols % self._smallest)
        padded = np.pad(motion, ((0, 0), (0, pad_rows), (0, pad_cols), (0, 0)), mode="edge")
        self._vectors = np.ascontiguousarray(padded.transpose(1, 2, 0, 3)).reshape(
            rows + pad_rows, cols + pad_cols, 2 * lists
        )

    def uniform(self, coded: Collection[tuple[int, int]] = ()) -> dict[int, list[list[bool]]]:
        """By block size in units of 8, larger than the smallest: rows of flags.

        Not uniform is also what holds one of the places (x, y) `coded`.
        """
        packed = self._vectors.view(np.int32 if self._vectors.shape[2] == 2 else np.int64)[..., 0]
        found = {}
        uniform = np.ones(packed.shape, np.bool_)
        if coded:
            x, y = np.array(list(coded)).T
            uniform[y, x] = False
        for size in (2, 4, 8):
            corner = packed[::2, ::2]
            down, right, across = packed[1::2, ::2], packed[::2, 1::2], packed[1::2, 1::2]
            same = (corner == down) & (corner == right) & (corner == across)
            uniform = same & uniform[::2, ::2] & uniform[1::2, ::2] & uniform[::2, 1::2] & uniform[1::2, 1::2]
            packed = corner
            if size > self._smallest:
                found[size] = uniform.tolist()
        return found

    def centres(self) -> dict[int, list[list[list[int]]]]:
        """By block size: rows of vectors (x, y of each list). Below the smallest only if borders need it."""
        sizes = [size for size in (1, 2, 4, 8) if size >= self._smallest or self._has_odd_blocks]
        return {size: self._vectors[size >> 1 :: size, size >> 1 :: size].tolist() for size in sizes}


class _InterCoder:
    """Codes CTBs whose CUs are all of one kind. Without a field, all are skipped.

    With one reference index per list throughout, and no temporal candidate, the motion vector predictor
    0 (8.5.3.2.6) is that of the first neighbour coded before, in the order A0, A1, B0, B1, B2.
    """

    def __init__(
        self,
        sps: Sps,
        pps: Pps,
        slice_type: int,
        has_merge_index: bool,
        top: int,
        lists: Sequence[tuple[int, int, int]],
        field: _Field | None,
        units: Units | None = None,
    ) -> None:
        self._coded = {(x, y - (top << sps.log2_ctb - 3)): unit for (x, y), unit in (units or {}).items()}
        self._delta_size = 1 << max(sps.log2_ctb - pps.diff_cu_qp_delta_depth - 3, 0) if pps.cu_qp_delta else 0
        self._units, self._cols_ctb = 1 << sps.log2_ctb - 3, sps.width_ctbs
        self._top = top
        self._cols, self._rows = sps.width >> 3, (sps.height >> 3) - top * self._units
        self._least = 1 << sps.log2_min_cb - 3
        self._lists = lists
        self._is_b = slice_type == hevc.B
        self._lossless: tuple[Symbol, ...] = ((_BYPASS_CU, 0),) if pps.transquant_bypass else ()
        merge: tuple[Symbol, ...] = ((_MERGE_INDEX, 0),) if has_merge_index else ()
        self._skip = [(*self._lossless, (_SKIP + context, 1), *merge) for context in range(3)]
        self._merges_left = pps.log2_parallel_merge_level == 2
        self._uniform = field.uniform(self._coded) if field else {}
        self._centres = field.centres() if field else {}
        self._quadtree = self._tree([])

    def start_tile(self) -> None:
        """Forget the neighbours."""
        self._quadtree = self._tree([None] * ((self._cols + 2) * (self._rows + 2)))

    def code_ctb(self, address: int, symbols: list[Symbol]) -> None:
        """Append the symbols of the CTB with this raster address."""
        y, x = divmod(address, self._cols_ctb)
        self._quadtree(x * self._units, (y - self._top) * self._units, self._units, 0, symbols)

    def _head(self, context: int, depth: int) -> tuple[Symbol, ...]:
        """Everything before the first motion vector difference of a CU that is not skipped."""
        symbols: list[Symbol] = [*self._lossless, (_SKIP + context, 0), (_INTRA, 0), (_PART, 1), (_MERGE, 0)]
        if self._is_b and len(self._lists) == 2:
            symbols.append((_PREDICTION + depth, 1))
        elif self._is_b and self._lists:
            symbols += [(_PREDICTION + depth, 0), (_PREDICTION + 4, self._lists[0][0])]
        if self._lists:
            symbols += _reference_index(*self._lists[0][1:])
        return tuple(symbols)

    def _tree(self, grid: list[_Cell | None]) -> Callable[[int, int, int, int, list[Symbol]], None]:
        """coding_quadtree(x, y, size, depth, symbols) in units of 8, y counted from the slice's first row.

        `grid`: what the neighbours were coded as, with a margin of 1. Closures, because looking names up in an object
        would take a third of the time; one for coding units alone takes 1 % (paired runs over a 720p picture).
        """
        cols, rows, stride, least = self._cols, self._rows, self._cols + 2, self._least
        all_uniform, delta_size = self._uniform, self._delta_size
        delta_due = [False]
        split_flags = [[(context, split) for context in range(3)] for split in (False, True)]
        unit = self._unit(grid, delta_due)

        def tree(x: int, y: int, size: int, depth: int, symbols: list[Symbol]) -> None:
            place = (y + 1) * stride + x + 1
            left, above = grid[place - 1], grid[place - stride]
            split = x + size > cols or y + size > rows
            if size > least and not split:
                split = size in all_uniform and not all_uniform[size][y // size][x // size]
                context = (left is not None and left[1] > depth) + (above is not None and above[1] > depth)
                symbols.append(split_flags[split][context])
            if size >= delta_size:
                # A quantisation group begins (7.3.8.4).
                delta_due[0] = delta_size > 0
            if split:
                size >>= 1
                depth += 1
                tree(x, y, size, depth, symbols)
                wide = x + size < cols
                if wide:
                    tree(x + size, y, size, depth, symbols)
                if y + size < rows:
                    tree(x, y + size, size, depth, symbols)
                    if wide:
                        tree(x + size, y + size, size, depth, symbols)
                return
            context = (left is not None and left[2]) + (above is not None and above[2])
            unit(x, y, place, size, depth, context, symbols)

        return tree

    def _unit(
        self, grid: list[_Cell | None], delta_due: list[bool]
    ) -> Callable[[int, int, int, int, int, int, list[Symbol]], None]:
        """coding_unit(x, y, place in `grid`, size, depth, skip context, symbols); `grid` and units as for `_tree`.

        `delta_due`: one flag, whether the quantisation group still has to tell its QP.
        """
        stride, all_centres, coded = self._cols + 2, self._centres, self._coded
        skips, merges_left = self._skip, self._merges_left
        heads = [[self._head(context, depth) for context in range(3)] for depth in range(4)]
        bi, has_motion = len(self._lists) == 2, bool(self._lists)
        second = _reference_index(*self._lists[1][1:]) if bi else ()
        root = ((_ROOT_CBF, 0),)
        nothing: list[int] = []
        zero = [0] * 4

        def unit(x: int, y: int, place: int, size: int, depth: int, context: int, symbols: list[Symbol]) -> None:
            vectors = all_centres[size][y // size][x // size] if has_motion else nothing
            # A1, the lower left neighbour, is merge candidate 0 where it is there.
            lower_left = grid[place + (size - 1) * stride - 1]
            residual = coded.get((x, y))
            skip = not has_motion or (
                merges_left and residual is None and lower_left is not None and lower_left[0] == vectors
            )
            if skip:
                symbols += skips[context]
            else:
                symbols += heads[depth][context]
                near = (
                    grid[place + size * stride - 1]
                    or lower_left
                    or grid[place + size - stride]
                    or grid[place + size - 1 - stride]
                    or grid[place - 1 - stride]
                )
                predicted = zero if near is None else near[0]
                symbols += _difference(vectors[0] - predicted[0], vectors[1] - predicted[1])
                if bi:
                    symbols += second
                    symbols += _difference(vectors[2] - predicted[2], vectors[3] - predicted[3])
                if residual is None:
                    symbols += root
                else:
                    symbols += residual[0]
                    if delta_due[0]:
                        symbols.append((_QP_DELTA, 0))
                        delta_due[0] = False
                    symbols += residual[1]
            cell = (vectors, depth, skip)
            if size == 2:
                grid[place] = grid[place + 1] = grid[place + stride] = grid[place + stride + 1] = cell
            else:
                for start in range(place, place + size * stride, stride):
                    grid[start : start + size] = [cell] * size

        return unit


def _reference_index(index: int, count: int) -> tuple[Symbol, ...]:
    """ref_idx: truncated unary, two bins with contexts (9.3.3.2)."""
    bins = [1] * index + [0] * (index < count - 1)
    return tuple((_REFERENCE + place, value) if place < 2 else (-1, value) for place, value in enumerate(bins))
