"""Numbers: arrays in, arrays out. No files, no terminal."""
