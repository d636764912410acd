"""Verification: independent checks of outputs, which share no code with what makes images."""
