"""The boosted GAN (2019): inpainting that is told what attributes and regions the damaged face has."""
