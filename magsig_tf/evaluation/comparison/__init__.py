"""Two methods on the same runs, cases and draws."""
