"""Preparing a data set: every image is decoded once, in worker processes, into one array; see `Preparation`.

What is decoded waits in a spool. From it are written the manifest, the pixels in its order, and `dataset.json` last.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import posixpath
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import PIL

from magsig_tf import __version__
from magsig_tf.atomic_files import holding, read_json, write_json, writing
from magsig_tf.data.preparation.report import validation_report
from magsig_tf.data.preparation.spool import Spool, spool_key
from magsig_tf.data.prepared import PreparedDataset, build_manifest, content_hash, magnification_order
from magsig_tf.data.sources.images import RESIZE, SourceImage
from magsig_tf.data.sources.source import DataSource, choose_source
from magsig_tf.errors import DataError, MagsigError, UsageError, nearest
from magsig_tf.parallel_work import available_cores, map_in_order
from magsig_tf.parquet_files import write_parquet
from magsig_tf.workspace import Workspace

IMAGES_PER_TASK = 8
BYTES_PER_TASK = 8 * 2**20
UNREADABLE_LIMIT = 0.05


@dataclass(frozen=True)
class PrepareProgress:
    """How far a preparation is.

    Args:
        images: Images done, those of an earlier, interrupted call included.
        resumed: How many of them an earlier call had done.
        unreadable: Images that could not be decoded.
        fraction: Share of the source that is done, in [0, 1].
    """

    images: int
    resumed: int
    unreadable: int
    fraction: float


Progress = Callable[[PrepareProgress], None]


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

    Raises:
        UsageError: nothing recognises the source, or a name, size or way to resize is none.
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
    ):
        if resize not in RESIZE:
            raise UsageError("Expected a way to resize", f"found {resize!r}", nearest(resize, RESIZE))
        if not isinstance(source, DataSource):
            source = choose_source(None if source is None else Path(source), kind, options)
        self.source = source
        self.workspace = workspace if isinstance(workspace, Workspace) else Workspace(Path(workspace))
        self.name = source.name if name is None else name
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name, re.ASCII):
            expected = "Expected a data set name of letters, digits, '.', '_' and '-'"
            raise UsageError(expected, f"found {self.name!r}", "Pass another --name")
        self.size = source.default_size if size is None else size
        if not 8 <= self.size <= 4096:
            raise UsageError("Expected a size of 8 to 4096 pixels", f"found {self.size}", "Choose another --size")
        self.resize, self.overwrite = resize, overwrite
        self.folder = self.workspace.data(self.name)
        # below one folder that no listing of prepared data sets looks into
        self._unfinished = self.workspace.data(".preparing") / self.name
        self._replaced = self._unfinished / "replaced"
        with _reading():
            fingerprint = source.fingerprint()
        # as it reads once it has been written, so that tuples compare
        request = {"kind": source.kind, "fingerprint": fingerprint, "size": self.size, "resize": resize}
        self._request: dict[str, object] = json.loads(json.dumps(request))
        # Pillow decides the pixels, so its version is part of what they depend on
        self._spool_key = {**self._request, "pillow": PIL.__version__}

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
        info = read_json(self.folder / "dataset.json")
        info["fingerprint"] = info.get("source", {}).get("fingerprint")
        found = {key: info.get(key) for key in self._request}
        if found != self._request:
            what = ", ".join(key for key in found if found[key] != self._request[key])
            expected = f"Expected data set {self.name!r} to be prepared from this source with these settings"
            differing = f"found one that differs in {what.replace('fingerprint', 'content of the source')}"
            raise UsageError(expected, differing, remedy)
        prepared = PreparedDataset.open(self.folder)
        self._clear_leftovers()
        return prepared

    def run(self, workers: int | None = None, progress: Progress | None = None) -> PreparedDataset:
        """Decode what is not decoded yet, write the data set and return it; one that is there already is opened.

        Args:
            workers: Processes that decode; all cores if not given.
            progress: Called now and then.

        Raises:
            UsageError: another data set has that name.
            DataError: the source is hostile, damaged, empty, or more than 5 % of its images are unreadable.
            RunError: another process is preparing this data set.
        """
        workers = available_cores() if workers is None else max(1, workers)
        with self._alone():
            self._put_back()
            if (done_meanwhile := self.existing()) is not None:
                return done_meanwhile
            output = self._unfinished / "output"
            spool = Spool(self._unfinished / "spool", self._spool_key, self.size, output / "images.npy")
            try:
                rows = self._decode(spool, workers, progress or (lambda _: None))
                self._write(output, rows, spool, workers)
            except BaseException as error:
                # a disk that is full would only fail once more
                with contextlib.suppress(MagsigError):
                    spool.close()
                # what is decoded stays for the next call, unless the source itself is refused
                if isinstance(error, DataError) and not isinstance(error.__cause__, OSError):
                    shutil.rmtree(self._unfinished, ignore_errors=True)
                raise
            with writing(self.folder):
                shutil.rmtree(self._replaced, ignore_errors=True)
                if self.folder.exists():
                    os.replace(self.folder, self._replaced)
                os.replace(output, self.folder)
            spool.remove()
            shutil.rmtree(self._unfinished, ignore_errors=True)
            return PreparedDataset.open(self.folder)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        return holding(self._unfinished.with_name(f"{self.name}.lock"), f"data set {self.name!r}")

    def _clear_leftovers(self) -> None:
        """Remove what a kill after the last step left: a spool can be as large as the data set."""
        if not self._unfinished.exists():
            return
        # another process at work, or a workspace that is only read: nothing of ours to remove
        with contextlib.suppress(MagsigError), self._alone():
            if spool_key(self._unfinished / "spool") in (None, self._spool_key):
                shutil.rmtree(self._unfinished, ignore_errors=True)

    def _decode(self, spool: Spool, workers: int, progress: Progress) -> dict[str, dict]:
        rows: dict[str, dict] = {}
        resumed = len(spool.records)
        progress(PrepareProgress(resumed, resumed, spool.unreadable, 0.0))
        tasks = self._tasks(spool, rows)
        reader = self.source.reader(self.size, self.resize)
        with contextlib.closing(map_in_order(reader, tasks, workers)) as results:
            for decoded in results:
                spool.append(decoded)
                done = len(spool.records)
                # the source is read ahead of the images that are decoded
                fraction = self.source.fraction_read() * min(1.0, done / max(1, len(rows)))
                progress(PrepareProgress(done, resumed, spool.unreadable, fraction))
        progress(PrepareProgress(len(rows), resumed, spool.unreadable, 1.0))
        return rows

    def _tasks(self, spool: Spool, rows: dict[str, dict]) -> Iterator[list[SourceImage]]:
        """Yield the images that are not decoded yet in small groups, and fill `rows` with what is known about all."""
        task, weight = [], 0
        with _reading():
            for image in self.source.images():
                if image.path in rows:
                    raise DataError("Expected each path once", f"found {image.path!r} twice", "Remove one of them")
                rows[image.path] = image.row
                if image.path in spool.records:
                    continue
                task.append(image)
                weight += len(image.content) if isinstance(image.content, bytes) else 0
                if len(task) == IMAGES_PER_TASK or weight >= BYTES_PER_TASK:
                    yield task
                    task, weight = [], 0
        if task:
            yield task

    def _write(self, folder: Path, rows: dict[str, dict], spool: Spool, workers: int) -> None:
        """Write the files of the data set; the pixels of the spool are used up.

        Args:
            folder: Where to write; `images.npy` in it is the spool's target.
            rows: What the source knows about each image, by path.
            spool: The decoded images.
            workers: Processes to use.

        Raises:
            DataError: no image, more than 5 % unreadable ones, or a manifest that the protocol cannot stand on.
            MagsigError: the disk is full or read-only.
        """
        source, records = self.source, {path: spool.records[path] for path in rows}
        decoded = {path: record for path, record in records.items() if record["slot"] is not None}
        unreadable = [{"path": path, "reason": records[path]["reason"]} for path in rows if path not in decoded]
        if len(unreadable) > UNREADABLE_LIMIT * len(rows):
            first = "; ".join(f"{entry['path']} ({entry['reason']})" for entry in unreadable[:3])
            found = f"found {len(unreadable)} of {len(rows)}, among them {first}"
            remedy = "Replace these files, or remove them if they are not wanted"
            raise DataError(f"Expected at most {UNREADABLE_LIMIT:.0%} unreadable images", found, remedy)
        # over all images, so that an unreadable one does not change what the others are called
        short = without_common_folder(rows) if source.shortens_paths else {path: path for path in rows}
        original = {short[path]: path for path in decoded}
        manifest = build_manifest({**rows[path], **decoded[path]["measured"], "path": short[path]} for path in decoded)
        in_order = [original[path] for path in manifest["path"]]
        converted = Counter(record["converted"] for record in decoded.values() if record["converted"])
        report = validation_report(manifest, source.known_counts(), converted, unreadable, source.ignored.as_list())

        write_parquet(folder / "manifest.parquet", manifest)
        truth = source.truth(workers)
        if truth is not None:
            write_parquet(folder / "truth.parquet", truth.loc[in_order].assign(path=list(manifest["path"])))
        spool.write_images([decoded[path]["slot"] for path in in_order])
        path = None if source.source is None else str(source.source)
        write_json(
            folder / "dataset.json",
            {
                "name": self.name,
                "kind": source.kind,
                "size": self.size,
                "resize": self.resize,
                "images": report["images"],
                "cases": report["cases"],
                "content_hash": content_hash(manifest),
                "magnifications": magnification_order(manifest["magnification"]),
                "created": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
                "magsig_version": __version__,
                "source": {"path": path, "fingerprint": self._request["fingerprint"]},
                "report": report,
            },
        )

    def _put_back(self) -> None:
        """Put a replaced data set back where a kill came before the new one was in its place."""
        if self._replaced.exists() and not self.folder.exists():
            with writing(self.folder):
                os.replace(self._replaced, self.folder)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or "the source"
        raise DataError(f"Expected to read {where}", f"found: {error.strerror or error}", "Check --source") from error


def without_common_folder(paths: Iterable[str]) -> dict[str, str]:
    """Return every path relative to the deepest folder that all of them share.

    An archive and an unpacked folder, given from whichever level, then name their images alike.

    Args:
        paths: Relative posix paths.

    Returns:
        A mapping from each path to its shortened form; the order of the paths stays the same.
    """
    paths = list(paths)
    if not paths:
        return {}
    folder = PurePosixPath(posixpath.commonpath([posixpath.dirname(path) for path in paths]))
    return {path: "/".join(PurePosixPath(path).parts[len(folder.parts) :]) for path in paths}
