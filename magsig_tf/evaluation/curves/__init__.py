"""Curves with bands over cases: reliability, risk against coverage, ROC."""
