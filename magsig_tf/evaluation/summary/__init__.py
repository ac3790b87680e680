"""The summary: every method at every holdout in numbers, with what a reader must know of them."""
