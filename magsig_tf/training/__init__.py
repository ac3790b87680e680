"""From a split and a method to a finished run: the loop, checkpoints, one run, the matrix of runs."""
