"""The number of workers follows the memory there is and the largest picture that the files declare."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from magsig_tf.data.pixels import memory_needed
from magsig_tf.data.pixels.memory_needed import BYTES_PER_PIXEL, WORKER, largest_declared, workers_that_fit
from magsig_tf.data.sources.breakhis import BreakHis
from magsig_tf.data.sources.csv_manifest import CsvManifest
from tests.data.small_images import breakhis_files, write_tar


@pytest.fixture
def source(tmp_path):
    for name, size in (("small.png", (30, 20)), ("large.png", (3000, 2000))):
        Image.fromarray(np.zeros((size[1], size[0]), np.uint8)).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = (
        "path,label,magnification,case",
        "small.png,benign,10X,a",
        "large.png,malignant,10X,b",
        "broken.png,0,10X,c",
    )
    (tmp_path / "tiles.csv").write_text("\n".join(rows), encoding="utf-8")
    return CsvManifest(tmp_path / "tiles.csv")


def listed(source):
    return lambda: (image.content for image in source.images())


def with_memory(monkeypatch, size: int) -> None:
    monkeypatch.setattr(memory_needed, "available_memory", lambda: size)


def test_much_memory_takes_every_core_and_opens_no_file(source, monkeypatch):
    with_memory(monkeypatch, 2**40)
    monkeypatch.setattr(memory_needed, "largest_declared", None)
    assert workers_that_fit(8, listed(source)) == (8, "")


def test_the_largest_picture_decides_and_it_is_said(source, monkeypatch):
    assert largest_declared(listed(source)) == 6_000_000
    with_memory(monkeypatch, 3 * (WORKER + 6_000_000 * BYTES_PER_PIXEL) + 5)
    workers, said = workers_that_fit(8, listed(source))
    assert workers == 3
    assert said.startswith("3 of 8 workers: decoding the largest picture (6.0 million pixels) takes up to 180 MiB each")
    assert workers_that_fit(2, listed(source)) == (2, "")


def test_there_is_always_one(source, monkeypatch):
    with_memory(monkeypatch, 0)
    assert workers_that_fit(4, listed(source))[0] == 1


def test_what_an_archive_holds_is_not_known_before_it_is_read(tmp_path):
    source = BreakHis(write_tar(tmp_path / "a.tar.gz", breakhis_files()))
    assert largest_declared(listed(source)) == memory_needed.LARGEST_IMAGE


def test_prepare_says_it(source, tmp_path, monkeypatch):
    from magsig_tf import workflows
    from magsig_tf.data.preparation import prepare as preparation
    from magsig_tf.workspace import Workspace

    (tmp_path / "broken.png").write_bytes((tmp_path / "small.png").read_bytes())
    with_memory(monkeypatch, 0)
    monkeypatch.setattr(preparation, "available_cores", lambda: 5)
    made = workflows.prepare(tmp_path / "tiles.csv", Workspace(tmp_path / "workspace"), size=8)
    assert made.remark.startswith("1 of 5 workers")


def test_predict_leaves_room_for_the_model(source, tmp_path, monkeypatch):
    each = WORKER + 6_000_000 * BYTES_PER_PIXEL
    with_memory(monkeypatch, 2**30 + 2 * each + 5)
    assert workers_that_fit(4, listed(source), "threads", reserved=2**30)[0] == 2
