"""Where exports lie: one folder per model, one numbered folder per version, as TensorFlow Serving watches them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from magsig_tf.atomic_files import holding, writing
from magsig_tf.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


class VersionFolder:
    """A version that is being written beside the model's folder, where no server looks.

    Args:
        root: The folder of all exports.
        name: Of the model.

    Raises:
        UsageError: the name is none for a folder.
    """

    def __init__(self, root: Path, name: str):
        if not _NAME.fullmatch(name):
            raise UsageError(
                "Expected a model name of letters, digits, '.', '_' and '-'", f"found {name!r}", "Pass another --name"
            )
        self.model = Path(root) / name
        self._unfinished = f".{name}.exporting-"

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder; nothing of it stays unless `publish` moved it.

        Raises:
            RunError: another process exports to the same name.
            MagsigError: the folder cannot be written.
        """
        root = self.model.parent
        with holding(root / f".{self.model.name}.lock", f"the export {self.model.name!r}"):
            # nobody else is at work on this name: what lies there was left by a kill
            for left in root.glob(f"{self._unfinished}*"):
                shutil.rmtree(left, ignore_errors=True)
            folder = root / f"{self._unfinished}{uuid.uuid4().hex[:8]}"
            try:
                with writing(folder):
                    folder.mkdir()
                    yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path, version: int) -> Path:
        """Move a finished folder to its version in one step, and return where it lies.

        Args:
            folder: What `writing` gave.
            version: What `next_version` gave.
        """
        target = self.model / str(version)
        self.model.mkdir(exist_ok=True)
        os.rename(folder, target)
        return target

    def next_version(self) -> int:
        """Return the first number above every version there is, from 1."""
        return max(versions(self.model), default=0) + 1


def versions(model: Path) -> list[int]:
    """Return the numbers of the versions below a model's folder, ascending."""
    if not model.is_dir():
        return []
    return sorted(int(entry.name) for entry in model.iterdir() if _VERSION.fullmatch(entry.name))


def find_version(model: Path) -> Path:
    """Return the folder of one version: the given one, or the latest of a model.

    Args:
        model: A version's folder, or that of a model with numbered versions.

    Raises:
        UsageError: there is no SavedModel.
    """
    model = Path(model)
    if (model / "saved_model.pb").is_file():
        return model
    found = [number for number in versions(model) if (model / str(number) / "saved_model.pb").is_file()]
    if not found:
        raise UsageError(
            f"Expected an exported model in {model}",
            "found none" if model.is_dir() else "found no such folder",
            "Run `magsig export` first, and pass the folder that it names",
        )
    return model / str(found[-1])
