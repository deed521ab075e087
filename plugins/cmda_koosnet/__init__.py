"""MSF-Koos-Net: Koos grading on a translator's shared features, pre-trained by contrast."""
