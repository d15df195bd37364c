"""The public operations on arrays, and the checks of their arguments."""
