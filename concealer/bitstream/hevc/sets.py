"""HEVC parameter sets (ITU-T H.265 7.3.2, 7.3.3, 7.3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from concealer.bitstream.bits import BitReader, BitstreamError
from concealer.bitstream.hevc.reference_sets import ShortTermRps, parse_short_term_rps
from concealer.bitstream.hevc.vui import skip_vui
from concealer.bitstream.nal import NalUnit, unescape

ScalingLists = tuple[tuple[tuple[int, ...] | int, ...], ...]
"""Per size 4..32, per matrix: coefficients (from 16x16 on led by the DC value), or the id it copies."""
_RESERVED = 0xFFFF
"""vps_reserved_0xffff_16bits."""


@dataclass
class Sps:
    """Sequence parameter set."""

    nal: NalUnit = field(repr=False)
    id: int = 0
    vps_id: int = 0
    max_sub_layers: int = 1
    profile_idc: int = 0
    level_idc: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane: bool = False
    width: int = 0
    height: int = 0
    conformance_window: tuple[int, int, int, int] = (0, 0, 0, 0)
    """left, right, top, bottom in chroma units."""
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    log2_max_poc_lsb: int = 4
    max_dec_pic_buffering: int = 1
    max_num_reorder: int = 0
    log2_min_cb: int = 3
    log2_ctb: int = 4
    log2_min_tb: int = 2
    log2_max_tb: int = 5
    max_transform_hierarchy_depth: tuple[int, int] = (0, 0)
    """inter, intra"""
    scaling_list_enabled: bool = False
    scaling_lists: ScalingLists | None = None
    amp: bool = False
    sao: bool = False
    pcm: tuple[int, int, int, int, bool] | None = None
    """bit depths luma and chroma, log2 of least and greatest size, loop filter disabled; None = no PCM."""
    short_term_rps: tuple[ShortTermRps, ...] = ()
    long_term_present: bool = False
    long_term_candidates: tuple[tuple[int, bool], ...] = ()
    """(POC lsb, used by the current picture)"""
    temporal_mvp: bool = False
    strong_intra_smoothing: bool = False
    range_extension: tuple[bool, ...] = ()
    """transform_skip_rotation, transform_skip_context, implicit_rdpcm, explicit_rdpcm,
    extended_precision, intra_smoothing_disabled, high_precision_offsets, persistent_rice,
    cabac_bypass_alignment; empty = all off."""
    motion_vector_resolution_control_idc: int = 0

    @property
    def width_ctbs(self) -> int:
        return -(-self.width >> self.log2_ctb)

    @property
    def height_ctbs(self) -> int:
        return -(-self.height >> self.log2_ctb)

    @property
    def chroma_array_type(self) -> int:
        return 0 if self.separate_colour_plane else self.chroma_format_idc

    @property
    def high_precision_offsets(self) -> bool:
        return bool(self.range_extension) and self.range_extension[6]


@dataclass
class Pps:
    """Picture parameter set."""

    nal: NalUnit = field(repr=False)
    id: int = 0
    sps_id: int = 0
    dependent_slices: bool = False
    output_flag_present: bool = False
    num_extra_slice_header_bits: int = 0
    sign_data_hiding: bool = False
    cabac_init_present: bool = False
    num_ref_idx_default: tuple[int, int] = (1, 1)
    init_qp: int = 26
    constrained_intra_pred: bool = False
    transform_skip: bool = False
    cu_qp_delta: bool = False
    diff_cu_qp_delta_depth: int = 0
    chroma_qp_offset: tuple[int, int] = (0, 0)
    slice_chroma_qp_offsets_present: bool = False
    weighted_pred: bool = False
    weighted_bipred: bool = False
    transquant_bypass: bool = False
    tiles: bool = False
    entropy_coding_sync: bool = False
    tile_columns: int = 1
    tile_rows: int = 1
    tile_widths: tuple[int, ...] | None = None
    """Tile column widths in CTBs without the last; None = uniform spacing."""
    tile_heights: tuple[int, ...] | None = None
    loop_filter_across_tiles: bool = True
    loop_filter_across_slices: bool = False
    deblocking_override_enabled: bool = False
    deblocking_disabled: bool = False
    beta_offset_div2: int = 0
    tc_offset_div2: int = 0
    scaling_lists: ScalingLists | None = None
    lists_modification_present: bool = False
    log2_parallel_merge_level: int = 2
    slice_header_extension: bool = False
    log2_max_transform_skip: int = 2
    cross_component_prediction: bool = False
    chroma_qp_offset_lists: tuple[tuple[int, int], ...] = ()
    diff_cu_chroma_qp_offset_depth: int = 0
    log2_sao_offset_scale: tuple[int, int] = (0, 0)
    curr_pic_ref: bool = False
    slice_act_qp_offsets_present: bool = False

    def tile_scan(self, sps: Sps) -> tuple[int, ...] | None:
        """CtbAddrTsToRs (6.5.1): raster address of each CTB in coding order; None = they are the same."""
        if self.tile_columns * self.tile_rows == 1:
            return None
        cols = _boundaries(sps.width_ctbs, self.tile_columns, self.tile_widths)
        rows = _boundaries(sps.height_ctbs, self.tile_rows, self.tile_heights)
        return tuple(
            y * sps.width_ctbs + x
            for top, bottom in zip(rows, rows[1:], strict=False)
            for left, right in zip(cols, cols[1:], strict=False)
            for y in range(top, bottom)
            for x in range(left, right)
        )


def _boundaries(size: int, count: int, explicit: Sequence[int] | None) -> list[int]:
    """colBd / rowBd of (6-5), (6-6)."""
    if explicit is None:
        return [i * size // count for i in range(count + 1)]
    bounds = [0]
    for length in explicit:
        bounds.append(min(bounds[-1] + length, size))
    return [*bounds, size]


def parse_vps(nal: NalUnit) -> int:
    """Number of a video parameter set, 0..15, of which decoders of one layer need to know no more (7.3.2.1).

    Raises BitstreamError where the bits before its profile cannot be those of one.
    """
    r = BitReader(unescape(nal.data))
    r.skip(16)
    number = r.u(4)
    r.skip(8)  # vps_base_layer_internal_flag to vps_max_layers_minus1
    if r.u(3) > 6:
        raise BitstreamError("vps_max_sub_layers_minus1 must be at most 6")
    r.skip(1)
    if r.u(16) != _RESERVED:
        raise BitstreamError("vps_reserved_0xffff_16bits must be 0xffff")
    return number


def parse_sps(nal: NalUnit) -> Sps:
    """Sequence parameter set; raises BitstreamError."""
    r = BitReader(unescape(nal.data))
    r.skip(16)
    sps = Sps(nal)
    sps.vps_id = r.u(4)
    sps.max_sub_layers = 1 + r.u(3)
    if sps.max_sub_layers > 7:
        raise BitstreamError("sps_max_sub_layers_minus1 must be at most 6")
    r.skip(1)
    _profile_tier_level(r, sps)
    sps.id = r.ue_max(15, "sps_seq_parameter_set_id")
    sps.chroma_format_idc = r.ue_max(3, "chroma_format_idc")
    if sps.chroma_format_idc == 3:
        sps.separate_colour_plane = r.flag()
    sps.width, sps.height = r.ue_max(16888, "width"), r.ue_max(16888, "height")
    if not sps.width or not sps.height:
        raise BitstreamError("picture without samples")
    if r.flag():
        sps.conformance_window = (r.ue(), r.ue(), r.ue(), r.ue())
    sps.bit_depth_luma = 8 + r.ue_max(8, "bit_depth_luma_minus8")
    sps.bit_depth_chroma = 8 + r.ue_max(8, "bit_depth_chroma_minus8")
    sps.log2_max_poc_lsb = 4 + r.ue_max(12, "log2_max_pic_order_cnt_lsb_minus4")
    for _ in range(sps.max_sub_layers if r.flag() else 1):
        sps.max_dec_pic_buffering = 1 + r.ue_max(15, "sps_max_dec_pic_buffering_minus1")
        sps.max_num_reorder = r.ue_max(15, "sps_max_num_reorder_pics")
        r.ue()
    sps.log2_min_cb = 3 + r.ue_max(3, "log2_min_luma_coding_block_size_minus3")
    sps.log2_ctb = sps.log2_min_cb + r.ue_max(3, "log2_diff_max_min_luma_coding_block_size")
    if not 4 <= sps.log2_ctb <= 6:
        raise BitstreamError(f"CTB size must be 16..64, got {1 << sps.log2_ctb}")
    sps.log2_min_tb = 2 + r.ue_max(3, "log2_min_luma_transform_block_size_minus2")
    sps.log2_max_tb = sps.log2_min_tb + r.ue_max(3, "log2_diff_max_min_luma_transform_block_size")
    sps.max_transform_hierarchy_depth = (r.ue_max(4, "inter depth"), r.ue_max(4, "intra depth"))
    sps.scaling_list_enabled = r.flag()
    if sps.scaling_list_enabled and r.flag():
        sps.scaling_lists = _scaling_lists(r)
    sps.amp, sps.sao = r.flag(), r.flag()
    if r.flag():
        sps.pcm = _pcm(r)
    count = r.ue_max(64, "num_short_term_ref_pic_sets")
    sets: list[ShortTermRps] = []
    for _ in range(count):
        sets.append(parse_short_term_rps(r, sets))
    sps.short_term_rps = tuple(sets)
    sps.long_term_present = r.flag()
    if sps.long_term_present:
        count = r.ue_max(32, "num_long_term_ref_pics_sps")
        sps.long_term_candidates = tuple((r.u(sps.log2_max_poc_lsb), r.flag()) for _ in range(count))
    sps.temporal_mvp, sps.strong_intra_smoothing = r.flag(), r.flag()
    if r.flag():
        skip_vui(r, sps.max_sub_layers)
    if r.flag():
        _sps_extensions(r, sps)
    return sps


def _profile_tier_level(r: BitReader, sps: Sps) -> None:
    r.skip(3)
    sps.profile_idc = r.u(5)
    r.skip(80)
    sps.level_idc = r.u(8)
    sub_layers = sps.max_sub_layers - 1
    present = [(r.flag(), r.flag()) for _ in range(sub_layers)]
    if sub_layers:
        r.skip(2 * (8 - sub_layers))
    for profile, level in present:
        r.skip(88 * profile + 8 * level)


def _pcm(r: BitReader) -> tuple[int, int, int, int, bool]:
    """See `Sps.pcm`."""
    depths = (1 + r.u(4), 1 + r.u(4))
    log2_min = 3 + r.ue_max(2, "log2_min_pcm_luma_coding_block_size_minus3")
    log2_max = log2_min + r.ue_max(2, "log2_diff_max_min_pcm_luma_coding_block_size")
    return (*depths, log2_min, log2_max, r.flag())


def _scaling_lists(r: BitReader) -> ScalingLists:
    """scaling_list_data (7.3.4)."""
    sizes: list[tuple[tuple[int, ...] | int, ...]] = []
    for size in range(4):
        matrices: list[tuple[int, ...] | int] = []
        step = 3 if size == 3 else 1
        for matrix in range(0, 6, step):
            if not r.flag():
                matrices.append(matrix - step * r.ue_max(matrix // step, "scaling_list_pred_matrix_id_delta"))
                continue
            values: list[int] = []
            value = 8
            if size > 1:
                value = 8 + r.se_within(-7, 247, "scaling_list_dc_coef_minus8")
                values.append(value)
            for _ in range(min(64, 16 << 2 * size)):
                value = (value + r.se_within(-128, 127, "scaling_list_delta_coef")) & 255
                values.append(value)
            matrices.append(tuple(values))
        sizes.append(tuple(matrices))
    return tuple(sizes)


def _sps_extensions(r: BitReader, sps: Sps) -> None:
    has_range, has_multilayer, has_3d, has_scc = (r.flag() for _ in range(4))
    r.skip(4)
    if has_range:
        sps.range_extension = tuple(r.flag() for _ in range(9))
    if has_multilayer:
        r.skip(1)
    if has_scc and not has_3d:
        _sps_scc(r, sps)


def _sps_scc(r: BitReader, sps: Sps) -> None:
    r.skip(1)
    if r.flag():
        r.ue()
        r.ue()
        if r.flag():
            count = 1 + r.ue_max(127, "sps_num_palette_predictor_initializers_minus1")
            chroma = 2 * sps.bit_depth_chroma if sps.chroma_format_idc else 0
            r.skip(count * (sps.bit_depth_luma + chroma))
    sps.motion_vector_resolution_control_idc = r.u(2)


def parse_pps(nal: NalUnit) -> Pps:
    """Picture parameter set; raises BitstreamError."""
    r = BitReader(unescape(nal.data))
    r.skip(16)
    pps = Pps(nal, r.ue_max(63, "pps_pic_parameter_set_id"), r.ue_max(15, "pps_seq_parameter_set_id"))
    pps.dependent_slices, pps.output_flag_present = r.flag(), r.flag()
    pps.num_extra_slice_header_bits = r.u(3)
    pps.sign_data_hiding, pps.cabac_init_present = r.flag(), r.flag()
    pps.num_ref_idx_default = (1 + r.ue_max(14, "num_ref_idx_l0"), 1 + r.ue_max(14, "num_ref_idx_l1"))
    pps.init_qp = 26 + r.se_within(-74, 25, "init_qp_minus26")
    pps.constrained_intra_pred, pps.transform_skip = r.flag(), r.flag()
    pps.cu_qp_delta = r.flag()
    if pps.cu_qp_delta:
        pps.diff_cu_qp_delta_depth = r.ue_max(3, "diff_cu_qp_delta_depth")
    pps.chroma_qp_offset = (r.se_within(-12, 12, "cb_qp_offset"), r.se_within(-12, 12, "cr_qp_offset"))
    pps.slice_chroma_qp_offsets_present = r.flag()
    pps.weighted_pred, pps.weighted_bipred = r.flag(), r.flag()
    pps.transquant_bypass = r.flag()
    pps.tiles, pps.entropy_coding_sync = r.flag(), r.flag()
    if pps.tiles:
        _tiles(r, pps)
    pps.loop_filter_across_slices = r.flag()
    if r.flag():
        pps.deblocking_override_enabled, pps.deblocking_disabled = r.flag(), r.flag()
        if not pps.deblocking_disabled:
            pps.beta_offset_div2 = r.se_within(-6, 6, "pps_beta_offset_div2")
            pps.tc_offset_div2 = r.se_within(-6, 6, "pps_tc_offset_div2")
    if r.flag():
        pps.scaling_lists = _scaling_lists(r)
    pps.lists_modification_present = r.flag()
    pps.log2_parallel_merge_level = 2 + r.ue_max(4, "log2_parallel_merge_level_minus2")
    pps.slice_header_extension = r.flag()
    if r.flag():
        has_range, has_multilayer, has_3d, has_scc = (r.flag() for _ in range(4))
        r.skip(4)
        if has_range:
            _pps_range(r, pps)
        if has_scc and not has_multilayer and not has_3d:
            pps.curr_pic_ref = r.flag()
            if r.flag():
                pps.slice_act_qp_offsets_present = r.flag()
    return pps


def _tiles(r: BitReader, pps: Pps) -> None:
    pps.tile_columns = 1 + r.ue_max(19, "num_tile_columns_minus1")
    pps.tile_rows = 1 + r.ue_max(21, "num_tile_rows_minus1")
    if not r.flag():
        columns, rows = range(pps.tile_columns - 1), range(pps.tile_rows - 1)
        pps.tile_widths = tuple(1 + r.ue_max(1055, "column_width_minus1") for _ in columns)
        pps.tile_heights = tuple(1 + r.ue_max(1055, "row_height_minus1") for _ in rows)
    pps.loop_filter_across_tiles = r.flag()


def _pps_range(r: BitReader, pps: Pps) -> None:
    if pps.transform_skip:
        pps.log2_max_transform_skip = 2 + r.ue_max(3, "log2_max_transform_skip_block_size_minus2")
    pps.cross_component_prediction = r.flag()
    if r.flag():
        pps.diff_cu_chroma_qp_offset_depth = r.ue_max(3, "diff_cu_chroma_qp_offset_depth")
        count = 1 + r.ue_max(5, "chroma_qp_offset_list_len_minus1")
        pps.chroma_qp_offset_lists = tuple(
            (r.se_within(-12, 12, "cb_qp_offset_list"), r.se_within(-12, 12, "cr_qp_offset_list")) for _ in range(count)
        )
    pps.log2_sao_offset_scale = (r.ue_max(8, "luma"), r.ue_max(8, "chroma"))
