"""magsig: does a histology classifier survive a change of magnification?

The package root imports neither TensorFlow nor pandas, so that the command line starts quickly.
"""

__version__ = "0.2.0"
