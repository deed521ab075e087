"""Preprocessing of the paper (Fig. 4): common spacing, matched histograms, one atlas, a fixed region."""
