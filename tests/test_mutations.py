"""Every kind of file that one command writes and another reads: a changed one is refused, never calculated with.

`pytest -m slow tests/test_mutations.py -s` tries more changes, through the commands, and prints a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from magsig_tf.checksums import FILE, MARK, ChangedError, sign_folder, unsigned_folders, write_signed_json
from magsig_tf.data.embeddings_file import read_embeddings
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.execution.resumption import read_checkpoint, write_checkpoint
from magsig_tf.gan.fold import read_synthetic_images
from magsig_tf.parquet_files import read_parquet, write_parquet
from magsig_tf.report.figures.curves import _logged
from magsig_tf.runs.random_encoders import random_features
from magsig_tf.runs.result_files import read_result, write_frame
from magsig_tf.runs.run import Run
from magsig_tf.seeding import generator_for
from magsig_tf.workflows.step_times import StepTimes
from tests.made_up_gans import fold_of, gan_run, write_fold


def mutated(content: bytes, random: np.random.Generator) -> Iterator[tuple[str, bytes | None]]:
    """Yield changes of a file, each with its name; None takes it away."""
    place = int(random.integers(len(content)))
    flipped = bytearray(content)
    flipped[place] ^= 1 << int(random.integers(8))
    yield "one bit", bytes(flipped)
    yield "cut off", content[:place]
    yield "one byte more", content + b"\0"
    other = bytearray(content)
    start, stop = place // 2, place // 2 + max(1, len(content) // 4)
    other[start:stop] = bytes(len(other[start:stop]))
    yield "a quarter zeroed", bytes(other) if any(content[start:stop]) else content[:-1]
    yield "emptied", b""
    yield "removed", None


class Study:
    """A workspace with one file of each kind, and how each is read."""

    def __init__(self, run: Run, prepared: PreparedDataset):
        workspace = run.workspace
        data, tiny = prepared.folder, prepared.name
        write_parquet(data / "truth.parquet", pd.DataFrame({"pixel_size_um": np.ones(len(prepared.labels))}))
        write_signed_json(data / "dataset.json", prepared.info | MARK)
        write_checkpoint(run.folder / "checkpoint" / "last.npz", {"kernel": np.arange(99.0)}, {"step": 3})
        results = workspace.results() / tiny
        write_frame(pd.DataFrame({"metric": ["auc"], "value": [0.8]}), results, "probes")
        write_signed_json(results / "steps-demo.json", {"evaluate": {"seconds": 3.0, "runs": 1}})
        fold = write_fold(fold_of(gan_run(workspace), prepared), prepared, **MARK)
        write_frame(pd.DataFrame({"metric": ["kid"], "value": [0.1]}), fold.folder, "quality")
        sign_folder(fold.folder)
        encoder = workspace.random_encoder(tiny, "small_cnn", 0)
        rows = np.arange(len(prepared.labels))
        self.workspace, self.run, self.fold = workspace, run, fold

        def opened() -> object:
            found = PreparedDataset.open(data)
            return found.truth, found.labels

        def described() -> object:
            return Run.found(run.folder).settings

        self.kinds: dict[Path, Callable[[], object]] = {
            **{data / name: opened for name in ("images.npy", "manifest.parquet", "truth.parquet", "dataset.json")},
            data / FILE: opened,
            **{run.folder / name: described for name in ("run.json", "config.yaml", FILE)},
            run.folder / "predictions.parquet": lambda: Run.found(run.folder).predictions,
            run.folder / "embeddings.npz": lambda: read_embeddings(run.folder / "embeddings.npz"),
            run.folder / "model.keras": self.model,
            run.folder / "log.jsonl": lambda: _logged(run.folder / "log.jsonl"),
            run.folder / "checkpoint" / "last.npz": lambda: read_checkpoint(run.folder / "checkpoint" / "last.npz"),
            encoder: lambda: random_features(encoder, prepared.content_hash, rows),
            results / "probes.parquet": lambda: read_result(results / "probes.parquet", (), "magsig probe"),
            results / FILE: lambda: read_result(results / "probes.parquet", (), "magsig probe"),
            fold.folder / "fold.json": lambda: read_synthetic_images(fold),
            fold.folder / "synthetic.npy": lambda: read_synthetic_images(fold),
            fold.folder / "synthetic.parquet": lambda: read_synthetic_images(fold),
            fold.folder / "quality.parquet": lambda: read_parquet(fold.folder / "quality.parquet"),
        }

    def model(self) -> object:
        from magsig_tf.models.saved_model import load_saved_model

        return load_saved_model(self.run.folder / "model.keras")


@pytest.fixture(scope="module")
def study(trained):
    return Study(*trained("baseline"))


def test_no_change_of_any_kind_of_file_goes_unnoticed(study):
    unsigned_folders()
    for path, read in study.kinds.items():
        read()
        content = path.read_bytes()
        for what, changed in mutated(content, generator_for("mutations", path.name)):
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
            try:
                with pytest.raises(ChangedError) as error:
                    read()
            except pytest.fail.Exception:
                # without its checksums a results folder is one of before, which is said
                assert (path.name, what) == (FILE, "removed"), (path, what)
                assert unsigned_folders() == [path.parent]
            else:
                assert str(path if path.name != FILE else path.parent) in str(error.value), what
                assert "\n" not in str(error.value)
            path.write_bytes(content)
        read()
    assert unsigned_folders() == []


def test_times_of_steps_that_changed_are_none(study):
    times = StepTimes.of(study.workspace, "tiny", "demo")
    assert times.estimate("evaluate", 2) == 6
    times.path.write_bytes(times.path.read_bytes().replace(b"3.0", b"9.0"))
    assert not StepTimes.of(study.workspace, "tiny", "demo").taken
