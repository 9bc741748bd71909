"""The eigenface start: generator and encoder invert each other before any training."""

from __future__ import annotations

import numpy as np
import torch

from concealer.networks.noise_prior import NoisePrior
from concealer.networks.style_gan import StyleGenerator
from train.data.batches import Faces
from train.data.synthetic import synthetic_faces
from train.eigenfaces import start_from_eigenfaces
from train.measures import psnr
from train.take_over import take_over


def test_start_reconstructs_and_codes_lie_in_range() -> None:
    faces = Faces(synthetic_faces(60, 64, seed=2), torch.device("cpu"))
    torch.manual_seed(0)
    generator = StyleGenerator(64, 32, capacity=512, most=16)
    encoder = NoisePrior(64, 32, capacity=512, most=16)
    images = faces.take(np.arange(60)).images
    with torch.no_grad():
        before = psnr(generator(encoder(images, images[:, :1] * 0)), images).mean()
        start_from_eigenfaces(generator, encoder, faces)
        z = encoder(images, images[:, :1] * 0)
        after = psnr(generator(z), images).mean()
    assert after > 20 > before + 5
    assert 0.2 < z.square().mean() < 0.5  # of U[-1, 1]: a third
    spread = generator(generator.sample_z(8)).std(0).mean()
    assert spread > 0.1, "samples must differ"


def test_start_with_fewer_pictures_than_components() -> None:
    faces = Faces(synthetic_faces(4, 32), torch.device("cpu"))
    generator = StyleGenerator(32, 32, capacity=512, most=16)
    start_from_eigenfaces(generator, NoisePrior(32, 32, capacity=512, most=16), faces)
    assert all(parameter.isfinite().all() for parameter in generator.parameters())
    assert generator.coarse.weight[:, 7:].abs().max() == 0  # four pictures and their mirrors


def test_weights_carry_over_to_a_network_that_reads_more() -> None:
    torch.manual_seed(0)
    plain, structured = NoisePrior(32, 8, 0, 512, 16), NoisePrior(32, 8, 3, 512, 16)
    assert take_over(structured, plain) == len(plain.state_dict())
    damaged, mask = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    with torch.no_grad():
        wanted = plain(damaged, mask)
        assert torch.allclose(structured(damaged, mask, torch.rand(2, 3, 32, 32)), wanted, atol=1e-6)
    assert take_over(NoisePrior(32, 16, 0, 512, 24), plain) < len(plain.state_dict())
