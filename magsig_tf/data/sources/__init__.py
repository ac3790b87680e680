"""What can be prepared: BreaKHis, a CSV manifest, the phantom; each a stream of images."""
