"""A small 2.5D U-Net on whole slices: a segmenter for quick comparisons and for teaching."""
