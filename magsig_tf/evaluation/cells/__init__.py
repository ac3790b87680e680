"""Cells of the matrix of runs: values of every metric with their bootstrap replicates, drops, paired differences."""
