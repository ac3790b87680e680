"""Data sets: from an untrusted archive to one array of pixels and a manifest, and from there to splits and batches."""
