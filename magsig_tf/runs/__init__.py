"""What lies on disk of a study: a run and its folder, the matrix of finished runs, result files."""
