"""nnU-Net v2 as a segmenter (Isensee et al., Nature Methods 2021), through its Python interface alone.

What nnU-Net does not promise to keep is used in `dataset`, `planning`, `trainer` and `predictor` only.
"""
