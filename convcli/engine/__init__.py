"""How the operations are computed: which method, which tables, on which threads."""
