"""MSF-Net: one encoder for both modalities, with proxy tasks (Han et al., crossMoDA 2022, Fig. 2)."""
