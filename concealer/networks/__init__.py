"""PyTorch definitions of the networks; importing this package alone does not import torch.

Conventions of every network here: images are float32 in [-1, 1], shape (N, 3, R, R), RGB. Masks are float32,
(N, 1, R, R), 1 on missing pixels and 0 on received ones (the convention of Lahiri et al. 2020). A damaged image
holds 0 where its mask is 1. Structure maps are images as `face_map` draws them. Latents z lie in [-1, 1].
"""
