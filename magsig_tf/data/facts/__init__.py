"""Counts that are known from the data sets themselves."""
