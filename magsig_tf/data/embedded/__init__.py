"""Data sets of embeddings: files of other models read, and what `magsig embed` and `magsig prepare` write."""
