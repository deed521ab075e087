"""Koos grading from the shape and the place of the segmented tumour, without a network."""
