"""SGIN (semantics-guided inpainting network, 2022): occlusion detector, map predictor, generator, and editing."""
