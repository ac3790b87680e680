"""How good the images of a GAN are: measures on features, beside what real images of other patients reach."""
