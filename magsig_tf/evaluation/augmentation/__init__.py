"""Effect of synthetic images at each holdout, beside the quality of the GANs that made them."""
