"""BreaKHis as it is distributed, an archive or the folder that it unpacks to: its names and its whole extent."""

from __future__ import annotations

import importlib.resources
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from magsig_tf.data.plain_text import printable
from magsig_tf.data.sources.archive import ARCHIVE_SUFFIXES, TarStream, is_archive
from magsig_tf.data.sources.folder_files import is_hidden, kind_of_file, list_folder, listing_hash, walk_files
from magsig_tf.data.sources.images import SourceImage
from magsig_tf.data.sources.source import DataSource, IgnoredFiles
from magsig_tf.data.sources.zip_archive import ZipFiles, open_archive
from magsig_tf.data.tables import is_table
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
    r"-(?P<magnification>\d{1,5})-(?P<sequence>\d{1,9})\.(?i:png|jpe?g|tiff?|bmp|webp)",
    re.ASCII,
)


_NOT_READ = (*ARCHIVE_SUFFIXES, ".zip", ".rar", ".7z")


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

    Copies that were saved in another format keep the name, so other endings of pictures are read too.

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
    """BreaKHis from an archive or a folder; what an image is, its file name alone decides.

    Args:
        source: The archive (tar, compressed or not, or zip, whatever its name; also an archive in an archive), or a
            folder at any level above the images.
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
        self._archive = None if self.source.is_dir() else open_archive(self.source)

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Return whether `source` is an archive, or a folder with a BreaKHis name among its first files."""
        try:
            if source.is_dir():
                return any(parse_name(path.name) for path, _ in islice(walk_files(source), 20_000))
            # a workbook is a zip archive too
            return source.is_file() and not is_table(source) and is_archive(source)
        except (OSError, EOFError, ValueError):
            return False

    def fingerprint(self) -> dict[str, object]:
        """Return the archive's size and ends, or a hash of the names, sizes and times of the folder's images."""
        if self._archive is not None:
            return {"archive": self._archive.fingerprint()}
        listing = listing_hash(self.source, self._image_files)
        return {"folder": {"images": len(self._image_files), "listing_sha256": listing}}

    def images(self) -> Iterator[SourceImage]:
        """Yield the images: in the archive's order, or sorted for a folder.

        Raises:
            DataError: there is none, or an image lies there in two formats.
        """
        formats: Counter[str] = Counter()
        seen: dict[str, str] = {}
        for name, content in self._from_folder() if self._archive is None else self._from_archive(self._archive):
            stem, suffix = posixpath.splitext(name)
            other = seen.setdefault(stem, suffix)
            if other != suffix:
                found = f"found {printable(stem)!r} as {other} and as {suffix}"
                raise DataError("Expected each image in one format", found, "Pass a folder that holds one of them")
            formats[suffix.lower()] += 1
            parsed = parse_name(PurePosixPath(name).name)
            assert parsed is not None, "files of other names are ignored"
            yield SourceImage(printable(name), parsed._asdict() | {"origin": "file"}, content)
        if not formats:
            raise self._nothing_found()
        for suffix, count in formats.items():
            if suffix != ".png":
                lost = ": JPEG loses detail that the original PNG files have" * (suffix in (".jpg", ".jpeg"))
                self.notes.append(f"{count:,} of the images are {suffix} copies of BreaKHis{lost}")

    def _nothing_found(self) -> DataError:
        files = sum(self.ignored.counts.values())
        expected = f"Expected images named as in BreaKHis in {self.source}"
        found = f"found none among {files:,} file{'' if files == 1 else 's'}"
        if self.ignored.counts:
            kinds = ", ".join(f"{entry['count']:,} x {entry['what']}" for entry in self.ignored.as_list()[:4])
            found += f" ({kinds}; such as {self.ignored.as_list()[0]['examples'][0]!r})"
        remedy = (
            "Check --source; any other data set is described by a table, or by folders and --case-from (docs/data.md)"
        )
        if any(example.lower().endswith(_NOT_READ) for shown in self.ignored.examples.values() for example in shown):
            remedy = "Unpack the archive that lies in it, and pass what that holds"
        return DataError(expected, found, remedy)

    def fraction_read(self) -> float:
        """Return the share of the archive's bytes, or of the folder's images."""
        return super().fraction_read() if self._archive is None else self._archive.fraction_read()

    def known_counts(self) -> pd.DataFrame | None:
        """Return the counts of the whole BreaKHis."""
        return known_breakhis_counts()

    def _from_archive(self, archive: TarStream | ZipFiles) -> Iterator[tuple[str, bytes]]:
        self.ignored = IgnoredFiles()
        for name, content in archive.files(_is_image):
            if content is None:
                self._ignore(name)
            else:
                yield name, content

    def _from_folder(self) -> Iterator[tuple[str, Path]]:
        for name in self._counted(self._image_files, len(self._image_files)):
            yield name, self.source / name

    @cached_property
    def _image_files(self) -> list[str]:
        listed = list_folder(self.source, _is_image, self._ignore)
        self.notes.extend(listed.notes)
        return listed.files

    def _ignore(self, name: str) -> None:
        self.ignored.add(kind_of_file(name, "image whose name does not follow the pattern"), printable(name))


def _is_image(name: str) -> bool:
    return parse_name(PurePosixPath(name).name) is not None and not is_hidden(name)
