"""Any split that somebody uses, held against the rules of a split that does not leak."""
