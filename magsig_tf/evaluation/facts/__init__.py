"""Numbers and statements of the paper, as data."""
