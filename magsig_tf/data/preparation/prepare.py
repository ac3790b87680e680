"""Preparing a data set: every image is decoded once, in worker processes, into one array; see `Preparation`.

What is decoded waits in a spool. From it are written the manifest, the pixels in its order, and `dataset.json` last.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import PIL

from magsig_tf.atomic_files import put_back, replace_folder
from magsig_tf.checksums import read_signed_json
from magsig_tf.data.naming import Named, SaidOfNames, settle_names
from magsig_tf.data.pixels.decoding import DECODING
from magsig_tf.data.pixels.memory_needed import workers_that_fit
from magsig_tf.data.preparation.decode import Progress, decode_into, reading
from magsig_tf.data.preparation.spool import Spool, spool_key
from magsig_tf.data.preparation.write import write_dataset
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.sources.images import RESIZE
from magsig_tf.data.sources.source import DataSource, IgnoredFiles, choose_source
from magsig_tf.errors import DataError, MagsigError, UsageError, nearest
from magsig_tf.locks import holding
from magsig_tf.parallel_work import available_cores
from magsig_tf.workspace import Workspace

COPIES = ("near", "identical")


def checked_name(name: str) -> str:
    """Return a name of a data set.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name, re.ASCII):
        expected = "Expected a data set name of letters, digits, '.', '_' and '-'"
        raise UsageError(expected, f"found {name!r}", "Pass another --name")
    return name


class Preparation:
    """One preparation, planned; `magsig_tf.workflows.prepare` carries it out.

    Args:
        source: Archive, folder or CSV manifest; a data source; or None with a `kind` that needs no file.
        workspace: The workspace folder.
        name: Name of the data set; the source's own if not given.
        size: Height and width of the prepared images in pixels; 224 (phantom: 64) if not given.
        resize: "squash" (aspect ratio lost) or "crop" (the largest centred square).
        overwrite: Replace a data set of that name.
        kind: Name of the data source in the registry; recognised from `source` if not given.
        options: Settings of the source.
        same_case: The file of `--same-case`, which says of names whether they are one.
        names_are_exact: Whether all other names that may be one are kept apart.
        copies: "near" looks for mirrored, turned, cropped and changed copies; "identical" for identical images only.

    Raises:
        UsageError: nothing recognises the source, or a name, size, way to resize, kind of copies or
            file of names is none.
        DataError: the source cannot be read.
    """

    def __init__(
        self,
        source: Path | str | DataSource | None,
        workspace: Path | Workspace,
        *,
        name: str | None = None,
        size: int | None = None,
        resize: str = "squash",
        overwrite: bool = False,
        kind: str | None = None,
        options: dict[str, str] | None = None,
        same_case: Path | None = None,
        names_are_exact: bool = False,
        copies: str = "near",
    ):
        if copies not in COPIES:
            raise UsageError("Expected a kind of copies", f"found {copies!r}", nearest(copies, COPIES))
        if resize not in RESIZE:
            raise UsageError("Expected a way to resize", f"found {resize!r}", nearest(resize, RESIZE))
        if not isinstance(source, DataSource):
            source = choose_source(None if source is None else Path(source), kind, options)
        self.source = source
        self.workspace = workspace if isinstance(workspace, Workspace) else Workspace(Path(workspace))
        self.name = checked_name(source.name if name is None else name)
        self.size = source.default_size if size is None else size
        if not 8 <= self.size <= 4096:
            raise UsageError("Expected a size of 8 to 4096 pixels", f"found {self.size}", "Choose another --size")
        self.resize, self.overwrite = resize, overwrite
        self.said = SaidOfNames.of(same_case, names_are_exact)
        self.folder = self.workspace.data(self.name)
        self.remark = ""  # why there are fewer workers than cores
        # below one folder that no listing of prepared data sets looks into
        self._unfinished = self.workspace.data(".preparing") / self.name
        self._replaced = self._unfinished / "replaced"
        with reading():
            fingerprint = source.fingerprint()
        # as it reads once it has been written, so that tuples compare
        request = {"kind": source.kind, "fingerprint": fingerprint, "size": self.size, "resize": resize}
        self._request: dict[str, object] = json.loads(json.dumps(request))
        # Pillow and the decoder decide the pixels, so they are part of what these depend on; names are not
        self._spool_key = {**self._request, "pillow": PIL.__version__, "decoding": DECODING}
        self._request |= {"names": self.said.request(), "copies": copies}

    def existing(self) -> PreparedDataset | None:
        """Return the data set if it is prepared already from this source, None if there is work to do.

        Raises:
            UsageError: the name belongs to something else.
        """
        if self.overwrite or not self.folder.exists():
            return None
        remedy = "Pass another --name, or --overwrite to replace it"
        if not (self.folder / "dataset.json").exists():
            raise UsageError(f"Expected no other folder at {self.folder}", "found one that is no data set", remedy)
        info = read_signed_json(self.folder / "dataset.json")
        info["fingerprint"] = info.get("source", {}).get("fingerprint")
        # earlier versions knew no options about names and copies
        info.setdefault("names", SaidOfNames().request())
        info.setdefault("copies", COPIES[0])
        found = {key: info.get(key) for key in self._request}
        if found != self._request:
            what = ", ".join(key for key in found if found[key] != self._request[key])
            expected = f"Expected data set {self.name!r} to be prepared from this source with these settings"
            what = what.replace("fingerprint", "content of the source").replace("names", "what is said of names")
            differing = f"found one that differs in {what}"
            before, now = info.get("source", {}).get("path"), self.source.source
            if before is not None and before != str(now):
                differing += f", prepared from {before} and not from {now}"
            raise UsageError(expected, differing, remedy)
        prepared = PreparedDataset.open(self.folder)
        self._clear_leftovers()
        return prepared

    def run(
        self, workers: int | None = None, progress: Progress | None = None, wait: Callable[[str], None] | None = None
    ) -> PreparedDataset:
        """Decode what is not decoded yet, write the data set and return it; one that is there already is opened.

        Args:
            workers: Processes that decode; all cores that the memory there is allows if not given.
            progress: Called now and then.
            wait: Told whom this call waits for, where another process is preparing the data set; None refuses.

        Raises:
            UsageError: another data set has that name.
            DataError: the source is hostile, damaged, empty, or more than 5 % of its images are unreadable.
            RunError: another process is preparing this data set.
        """
        if workers is None:
            workers, self.remark = workers_that_fit(available_cores(), self._contents)
        workers = max(1, workers)
        with self._alone(wait):
            put_back(self.folder, self._replaced)
            if (done_meanwhile := self.existing()) is not None:
                return done_meanwhile
            with reading():
                known = self.source.names()
            if known is not None:
                self._settled(known)  # what is refused for its names is not decoded first
            output = self._unfinished / "output"
            spool = Spool(self._unfinished / "spool", self._spool_key, self.size, output / "images.npy")
            try:
                show = progress or (lambda _: None)
                rows = decode_into(spool, self.source, self.source.reader(self.size, self.resize), workers, show)
                request = self._request | {"name": self.name}
                write_dataset(output, request, self.source, rows, spool, self._settled, workers, show)
            except BaseException as error:
                # a disk that is full would only fail once more
                with contextlib.suppress(MagsigError):
                    spool.close()
                # what is decoded stays for the next call, unless the source itself is refused
                if isinstance(error, DataError) and not isinstance(error.__cause__, OSError):
                    shutil.rmtree(self._unfinished, ignore_errors=True)
                raise
            replace_folder(self.folder, output, self._replaced)
            spool.remove()
            shutil.rmtree(self._unfinished, ignore_errors=True)
            return PreparedDataset.open(self.folder)

    def _settled(self, table: pd.DataFrame) -> Named:
        return settle_names(table, self.said, self.workspace.root / f"{self.name}-names.csv")

    def _contents(self) -> Iterator[object]:
        listing = copy.copy(self.source)
        listing.ignored = IgnoredFiles()  # it is filled when the images are read
        yield from (image.content for image in listing.images())

    def _alone(self, wait: Callable[[str], None] | None = None) -> contextlib.AbstractContextManager[None]:
        return holding(self._unfinished.with_name(f"{self.name}.lock"), f"data set {self.name!r}", wait)

    def _clear_leftovers(self) -> None:
        """Remove what a kill after the last step left: a spool can be as large as the data set."""
        if not self._unfinished.exists():
            return
        # another process at work, or a workspace that is only read: nothing of ours to remove
        with contextlib.suppress(MagsigError), self._alone():
            if spool_key(self._unfinished / "spool") in (None, self._spool_key):
                shutil.rmtree(self._unfinished, ignore_errors=True)
