"""Fitting: recipe, trainer, rounding and pruning."""
