"""What to convolve with."""
