"""BreaKHis as it is distributed, a tar archive or the folder that it unpacks to: its names and its whole extent."""

from __future__ import annotations

import hashlib
import importlib.resources
import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from magsig_tf.data.sources.archive import TarStream, is_archive
from magsig_tf.data.sources.images import SourceImage, printable
from magsig_tf.data.sources.source import DataSource, IgnoredFiles
from magsig_tf.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


SUBTYPES = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes_tumor",
    "TA": "tubular_adenoma",
    "DC": "ductal_carcinoma",
    "LC": "lobular_carcinoma",
    "MC": "mucinous_carcinoma",
    "PC": "papillary_carcinoma",
}

# the section letters after the accession are part of the slide: without them 2,117 images would not match
_NAME = re.compile(
    r"(?P<slide>(SOB|CNB)_(?P<label>[BM])_(?P<subtype>[A-Z]{1,4})-(?P<case>\d{2}-\d{1,9})[A-Za-z]{0,8})"
    r"-(?P<magnification>\d{1,5})-(?P<sequence>\d{1,9})\.(?i:png)",
    re.ASCII,
)


class BreakhisName(NamedTuple):
    """What a BreaKHis file name says.

    Args:
        label: "benign" or "malignant".
        subtype: Name of the subtype such as "adenosis", or its letters where they are unknown.
        magnification: Such as "40X".
        case: Accession, `YY-digits`: the patient.
        slide: Accession with prefix and section letters, such as "SOB_B_A-14-22549AB".
        sequence: Number within slide and magnification, as written.
    """

    label: str
    subtype: str
    magnification: str
    case: str
    slide: str
    sequence: str


def parse_name(file_name: str) -> BreakhisName | None:
    """Read a file name of the form `{SOB|CNB}_{B|M}_{subtype}-{YY}-{digits}{letters?}-{magnification}-{seq}.png`.

    Args:
        file_name: The name without its folder.

    Returns:
        What it says, or None for a name that does not follow the pattern.
    """
    found = _NAME.fullmatch(file_name)
    if found is None:
        return None
    label = "benign" if found["label"] == "B" else "malignant"
    subtype = SUBTYPES.get(found["subtype"], found["subtype"])
    magnification = f"{int(found['magnification'])}X"
    return BreakhisName(label, subtype, magnification, found["case"], found["slide"], found["sequence"])


def known_breakhis_counts() -> pd.DataFrame:
    """Return how many images each slide has at each magnification in the whole data set.

    Returns:
        DataFrame with one row a (slide, magnification): `slide`, `case`, `label`, `subtype`, `magnification`, `images`;
        7,909 images in all.
    """
    import pandas as pd  # here, because the grammar alone must stay quick to import

    with (importlib.resources.files("magsig_tf.data") / "facts" / "breakhis_slides.csv").open(encoding="utf-8") as text:
        wide = pd.read_csv(text, comment="#")
    return wide.melt(id_vars=["slide", "case", "label", "subtype"], var_name="magnification", value_name="images")


def is_whole_breakhis(manifest: pd.DataFrame) -> bool:
    """Tell whether there are as many images as BreaKHis has, of each slide of each case at each magnification.

    Args:
        manifest: DataFrame with a row an image: `slide`, `case`, `magnification`.
    """
    axes = ["slide", "case", "magnification"]
    # a CSV manifest may name slides as folders do, with `_` where files have `-`
    known = known_breakhis_counts().assign(slide=lambda frame: frame["slide"].str.replace("-", "_"))
    images = known[known["images"] > 0].set_index(axes)["images"]
    found = manifest.assign(slide=manifest["slide"].astype(str).str.replace("-", "_")).groupby(axes).size()
    return len(found) == len(images) and bool(found.reindex(images.index).eq(images).all())


class BreakHis(DataSource):
    """BreaKHis from a tar archive or a folder; what an image is, its file name alone decides.

    Args:
        source: The archive (`.tar`, `.tar.gz`, ...) or a folder at any level above the images.
        options: None are known.
    """

    kind = "breakhis"
    source: Path
    shortens_paths = True

    def __init__(self, source: Path | None = None, options: Mapping[str, object] | None = None):
        super().__init__(source, options)
        # a pipe would be waited for without end
        if self.source is None or not (self.source.is_dir() or self.source.is_file()):
            remedy = "Check --source"
            raise DataError("Expected the BreaKHis archive or folder", f"found no file or folder {self.source}", remedy)
        self._archive = None if self.source.is_dir() else TarStream(self.source)

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` is a tar archive, or a folder with a BreaKHis name among its first files."""
        try:
            if source.is_dir():
                return any(parse_name(path.name) for path, _ in islice(walk_files(source), 20_000))
            return source.is_file() and is_archive(source)
        except (OSError, EOFError, ValueError):
            return False

    def fingerprint(self) -> dict[str, object]:
        """Return the archive's size and ends, or a hash of the names, sizes and times of the folder's images."""
        if self._archive is not None:
            return {"archive": self._archive.fingerprint()}
        digest = hashlib.sha256()
        for name in self._image_files:
            status = (self.source / name).stat()
            digest.update(f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}\x1e".encode(errors="surrogateescape"))
        return {"folder": {"images": len(self._image_files), "listing_sha256": digest.hexdigest()}}

    def images(self) -> Iterator[SourceImage]:
        """Yield the images: in the archive's order, or sorted for a folder."""
        found = 0
        for name, content in self._from_folder() if self._archive is None else self._from_archive(self._archive):
            found += 1
            parsed = parse_name(PurePosixPath(name).name)
            assert parsed is not None, "files of other names are ignored"
            yield SourceImage(printable(name), parsed._asdict() | {"origin": "file"}, content)
        if not found:
            expected = f"Expected images named as in BreaKHis in {self.source}"
            remedy = "Check --source; any other data set is described by a CSV manifest"
            raise DataError(expected, f"found none among {sum(self.ignored.counts.values())} files", remedy)

    def fraction_read(self) -> float:
        """Return the share of the archive's bytes, or of the folder's images."""
        return super().fraction_read() if self._archive is None else self._archive.fraction_read()

    def known_counts(self) -> pd.DataFrame | None:
        """Return the counts of the whole BreaKHis."""
        return known_breakhis_counts()

    def _from_archive(self, archive: TarStream) -> Iterator[tuple[str, bytes]]:
        self.ignored = IgnoredFiles()
        for name, content in archive.files(lambda name: parse_name(PurePosixPath(name).name) is not None):
            if content is None:
                self._ignore(name)
            else:
                yield name, content

    def _from_folder(self) -> Iterator[tuple[str, Path]]:
        for name in self._counted(self._image_files, len(self._image_files)):
            yield name, self.source / name

    @cached_property
    def _image_files(self) -> list[str]:
        files = []
        for path, is_link in walk_files(self.source):
            name = path.relative_to(self.source).as_posix()
            if is_link:
                self.ignored.add("symbolic link (not followed)", printable(name))
            elif parse_name(path.name) is None:
                self._ignore(name)
            else:
                files.append(name)
        return sorted(files)

    def _ignore(self, name: str) -> None:
        path, suffix = PurePosixPath(name), PurePosixPath(name).suffix.lower()
        if path.name.startswith("."):
            kind = "hidden file"
        elif suffix == ".png":
            kind = "PNG whose name does not follow the pattern"
        else:
            kind = f"{printable(suffix) or 'no suffix'} file"
        self.ignored.add(kind, printable(name))


def walk_files(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Yield every file below a folder with whether it is a symbolic link; follow no link.

    The order is fixed: folder by folder, sorted in each.

    Args:
        folder: Where to begin; it may itself be a link.

    Raises:
        DataError: a folder cannot be listed.
    """
    for root, folders, files in os.walk(folder, onerror=_refuse_unlisted):
        folders.sort()
        # os.walk names links to folders among the folders but does not enter them
        for name in sorted([*files, *(name for name in folders if os.path.islink(os.path.join(root, name)))]):
            path = Path(root, name)
            yield path, path.is_symlink()


def _refuse_unlisted(error: OSError) -> None:
    remedy = "Check its permissions"
    raise DataError(f"Expected to list {error.filename}", f"found: {error.strerror}", remedy) from error
