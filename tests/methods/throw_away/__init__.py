"""Methods of at most thirty lines, each by another part of the contract; named by import path."""
