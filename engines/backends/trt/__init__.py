"""Parts of the TensorRT backend: the library, building plans, CUDA memory, running plans."""
