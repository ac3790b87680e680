"""100,000 rows: scan, preparation, report and split stay within seconds and a few hundred megabytes.

The pixels are made up in place of being decoded, which is all that is left out: 100,000 image files would take minutes.
"""

import json
import subprocess
import sys
import tarfile
import time
import tracemalloc

import pandas as pd
import pytest
from rich.console import Console

from magsig_tf.data.preparation.report import find_quirks, validation_report
from magsig_tf.data.sources.archive import TarStream
from magsig_tf.data.sources.csv_manifest import read_csv_manifest
from magsig_tf.report.terminal.preparation import print_report
from tests.time_limits import slower

ROWS = 100_000
SCRIPT = """
import hashlib, json, re, sys, time
from pathlib import Path
import numpy as np
from magsig_tf.data.columns import COLOUR_COLUMNS
from magsig_tf.data.sources.csv_manifest import CsvManifest
from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.sources.images import DecodedImage, SourceImage
from magsig_tf.data.splits import make_split

def made_up(images):
    return [decoded(image.path) for image in images]

def decoded(path):
    digest = hashlib.sha256(path.encode()).digest()
    pixels = np.frombuffer((digest * 6)[:192], np.uint8).reshape(8, 8, 3)
    identity = hashlib.sha256(pixels.tobytes()).hexdigest()
    measured = {"width": 8, "height": 8, "sha256": digest.hex(), "pixel_sha256": identity}
    measured |= {"perceptual_hash": digest[:8].hex(), **dict.fromkeys(COLOUR_COLUMNS, 1.0)}
    return DecodedImage(path, pixels, measured)

class MadeUpPixels(CsvManifest):
    def images(self):
        # none of the files is there
        for row in self._rows(self.table):
            yield SourceImage(row["path"], row, b"")

    def reader(self, size, resize):
        return made_up

def lap(name):
    global before
    seconds[name], before = time.process_time() - before, time.process_time()

seconds, before = {}, time.process_time()
preparation = Preparation(MadeUpPixels(Path(sys.argv[1])), Path(sys.argv[2]), size=8)
lap("scan")
dataset = preparation.run(workers=1)
lap("prepare")
split = make_split(dataset.manifest, content_hash=dataset.content_hash, holdout="40x", patient_fold=0)
lap("split")
print(json.dumps({
    "seconds": seconds,
    # not getrusage's: that one remembers the process from which this one was started
    "megabytes": int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024,
    "images": dataset.images.shape[0],
    "cases": dataset.info["report"]["cases"],
    "split": sum(len(split.rows[part]) for part in split.rows),
}))
"""


@pytest.mark.slow
def test_a_manifest_of_100_000_rows_is_prepared_and_split(tmp_path):
    lines = ["path,label,magnification,case"]
    for case in range(ROWS // 20):
        names = [(zoom, number) for zoom in (5, 10, 20, 40) for number in range(5)]
        lines += [f"images/{case}/{zoom}x-{number}.png,{case % 2},{zoom}x,p{case}" for zoom, number in names]
    (tmp_path / "many.csv").write_text("\n".join(lines))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "many.csv"), str(tmp_path / "w")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    # the train part leaves out what is neither source nor tested: train cases at the holdout
    assert (found["images"], found["cases"], found["split"]) == (ROWS, ROWS // 20, ROWS - 15_000)
    slow = slower()
    # some four times what an unhurried core takes; a split that compared all pairs of images took 14
    assert found["seconds"]["scan"] < 10 * slow
    assert found["seconds"]["prepare"] < 30 * slow
    assert found["seconds"]["split"] < 6 * slow
    assert found["megabytes"] < 800


def test_fifty_thousand_images_under_two_names_are_listed_in_a_second():
    count = ROWS // 2
    rows = {"case": "case-0", "slide": "slide-0", "magnification": "10x", "subtype": "", "width": 8, "height": 8}
    pairs = pd.DataFrame({"pixel_sha256": [*map(str, range(count)), *map(str, range(count))]}).assign(**rows)
    pairs["path"] = [f"{number}.png" for number in range(2 * count)]
    pairs.loc[count + 3, "case"] = "case-1"
    began = time.process_time()
    quirks = {quirk["quirk"]: quirk for quirk in find_quirks(pairs)}
    assert time.process_time() - began < 8 * slower()
    assert quirks["images that occur under two or more names"]["count"] == count
    assert quirks["images that occur in two or more cases"]["examples"] == [f"3.png = {count + 3}.png"]


def test_a_subtype_for_every_image_does_not_flood_the_report():
    count = 20_000
    rows = {"label": "benign", "magnification": "10x", "case": "p", "slide": "p", "width": 8, "height": 8}
    manifest = pd.DataFrame({"subtype": [f"note {number}" for number in range(count)]}).assign(**rows)
    manifest["path"] = manifest["pixel_sha256"] = manifest["sha256"] = manifest["subtype"]
    info = {"name": "n", "size": 8, "resize": "squash", "content_hash": "0" * 64, "magnifications": ["10x"]}
    began = time.process_time()
    info["report"] = validation_report(manifest)
    with (console := Console(width=100)).capture() as captured:
        print_report(info, console)
    assert time.process_time() - began < 8 * slower()
    assert "and 19,960 more subtypes" in captured.get()
    assert len(captured.get().splitlines()) < 100


def test_a_table_of_many_columns_is_read(tmp_path):
    names = ",".join(f"c{number}" for number in range(10_000))
    (tmp_path / "wide.csv").write_text(f"path,label,magnification,case,{names}\na.png,0,10x,p{',' * 10_000}\n")
    began = time.process_time()
    assert len(read_csv_manifest(tmp_path / "wide.csv").columns) == 10_004
    assert time.process_time() - began < 5 * slower()


def test_an_archive_is_passed_through_without_holding_or_unpacking_it(tmp_path):
    member_bytes, members = 2**23, 20
    (tmp_path / "zeros").write_bytes(bytes(member_bytes))
    with tarfile.open(tmp_path / "large.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(members):
            archive.add(tmp_path / "zeros", f"{number}.png")
    (tmp_path / "zeros").unlink()
    tracemalloc.start()
    sizes = [
        len(content or b"")
        for _, content in TarStream(tmp_path / "large.tar.gz").files(lambda name: int(name[:-4]) > 3)
    ]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(size > 0 for size in sizes) == members - 4
    # the last member and the buffers of the one that is read; all that are wanted would be 16
    assert peak < 5 * member_bytes
    assert [path.name for path in tmp_path.iterdir()] == ["large.tar.gz"]
