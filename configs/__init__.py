"""Configs that come with magsig."""
