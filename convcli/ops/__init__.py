"""The public operations on arrays, and what they ask of their arguments. No files, no terminal."""
