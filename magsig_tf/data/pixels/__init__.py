"""From the bytes of an image file to 8-bit RGB, or a reason why not; nothing here imports pandas."""
