"""lambda_a and lambda_s of the boosted GAN's recipes: those of its paper's table II, and neither. Needs no torch."""

from __future__ import annotations

LAMBDA = 0.1
"""lambda_a and lambda_s of the whole system."""
_VARIED = (0.01, LAMBDA, 1.0)
Lambdas = tuple[float, float]
"""lambda_a and lambda_s; 0: the generator is not told, and nothing judges it by that."""
TABLE: dict[str, tuple[Lambdas, ...]] = {
    "lambda_a = 0": tuple((0.0, varied) for varied in _VARIED),
    "lambda_s = 0": tuple((varied, 0.0) for varied in _VARIED),
    f"lambda_a = {LAMBDA}": tuple((LAMBDA, varied) for varied in _VARIED),
    f"lambda_s = {LAMBDA}": tuple((varied, LAMBDA) for varied in _VARIED),
}
"""Table II by its groups, whose last two share the whole system's."""
_NAMED: dict[Lambdas, str] = {
    (LAMBDA, LAMBDA): "boosted-both",
    (LAMBDA, 0.0): "boosted-attributes",
    (0.0, LAMBDA): "boosted-segmentation",
    (0.0, 0.0): "boosted-plain",
}
VARIANTS: dict[str, Lambdas] = {name: lambdas for lambdas, name in _NAMED.items()} | {
    f"boosted-a{lambdas[0]:g}-s{lambdas[1]:g}": lambdas
    for group in TABLE.values()
    for lambdas in group
    if lambdas not in _NAMED
}
"""By recipe, without its resolution."""
