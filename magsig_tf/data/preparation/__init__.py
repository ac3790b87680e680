"""From a source of images to a prepared data set: decoding in worker processes, one array, a manifest, a report."""
