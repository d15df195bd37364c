"""All compiled loops. Each file states what its tables hold."""
