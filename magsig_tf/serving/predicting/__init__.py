"""Predictions and explanations with an exported model and nothing else."""
