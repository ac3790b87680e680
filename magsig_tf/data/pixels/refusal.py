"""Why an image file is not converted, in words that its owner understands."""

from __future__ import annotations


class RefusedPicture(ValueError):
    """An image file whose pixels cannot be known truly, or that is too large; its text is one line with a remedy."""
