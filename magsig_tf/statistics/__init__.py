"""Statistics of arrays: metrics, calibration, bootstrap over cases, intervals, tests. Knows nothing of runs, files."""
