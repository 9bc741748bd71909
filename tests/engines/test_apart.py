"""Rows of a batch that are computed side by side."""

from __future__ import annotations

import numpy as np

from engines import Options, open_engine
from engines.zoo import open_zoo


def test_rows_side_by_side_are_what_they_are_one_by_one() -> None:
    model = open_zoo().model("video-choice-low")
    one_by_one = open_engine(model, "openvino", Options(buckets=(1,), threads=1, precision="fp32"), strict=True)
    apart = open_engine(
        model, "openvino", Options(buckets=(1, 2), threads=1, apart=True, precision="fp32"), strict=True
    )
    random = np.random.default_rng(0)
    with one_by_one, apart:
        for count in (1, 2, 5):
            batch = {spec.name: random.normal(size=(count, *spec.shape)).astype(np.float32) for spec in apart.inputs}
            wanted, made = one_by_one.run(batch), apart.run(batch)
            assert wanted.keys() == made.keys()
            for name, values in wanted.items():
                np.testing.assert_array_equal(made[name], values)
