"""Training: the loop, its checkpoints, 2.5D samples, networks and losses that methods share."""
