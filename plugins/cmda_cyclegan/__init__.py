"""CycleGAN (Zhu et al. 2017) on slice triples: the baseline."""
