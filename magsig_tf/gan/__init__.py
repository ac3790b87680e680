"""DCGANs of one fold's training images: training, sampling, quality."""
