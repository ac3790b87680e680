"""Linear models of arrays: the L1 path, ridge-penalised multinomial regression, and what is fitted beside them."""
