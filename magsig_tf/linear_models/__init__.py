"""Linear models of arrays: the L1 and L2 paths, ridge-penalised multinomial regression, and what else is fitted."""
