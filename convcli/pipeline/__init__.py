"""One request carried out, and many: from inputs to written files."""
