"""What synthetic images did to each holdout, beside the quality of the GANs that drew them."""
