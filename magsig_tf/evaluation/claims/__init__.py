"""A paper's statements, judged by finished runs."""
