"""CUT, contrastive unpaired translation (Park et al. 2020), on slice triples; one network each way."""
