"""NICE-GAN (Chen et al. 2020), on slice triples: the discriminators' first layers are the encoders."""
