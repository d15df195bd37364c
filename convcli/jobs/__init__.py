"""One request carried out, and many."""
