"""Copies among images: mirrored, turned, cropped, shifted, saved again or recoloured ones; see `search.find_copies`."""
