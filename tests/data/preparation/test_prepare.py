from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from magsig_tf.checksums import ChangedError
from magsig_tf.data.preparation.prepare import Preparation
from magsig_tf.data.prepared import PreparedDataset
from magsig_tf.data.sources.breakhis import BreakHis
from magsig_tf.data.sources.csv_manifest import CsvManifest
from magsig_tf.errors import DataError, MagsigError, RunError, UsageError
from magsig_tf.locks import holding
from tests.data.small_images import NAMES, breakhis_files, png, random_pixels, write_tar, write_tree
from tests.data.whole_dataset import check_whole


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "BreaKHis_v1", breakhis_files())


def prepared(source, workspace, *, size=16, workers=1, progress=None, **options) -> PreparedDataset:
    preparation = Preparation(source, workspace, size=size, **options)
    return preparation.existing() or preparation.run(workers, progress)


def test_a_folder_becomes_a_manifest_and_one_array(tree, tmp_path):
    dataset = prepared(tree, tmp_path / "w")
    assert dataset.name == "breakhis"
    assert dataset.images.shape == (6, 16, 16, 3)
    assert isinstance(dataset.images, np.memmap)
    assert not dataset.images.flags.writeable
    assert list(dataset.manifest["path"]) == sorted(NAMES)
    assert dataset.magnifications == ["40X", "100X"]
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert set(dataset.manifest["case"]) == {"14-22549", "14-13412"}
    assert set(dataset.manifest["slide"]) >= {"SOB_B_A-14-22549AB", "SOB_B_A-14-22549G"}
    assert (dataset.manifest[["width", "height"]].drop_duplicates().to_numpy() == [[30, 20]]).all()
    check_whole(dataset)


def test_archive_and_folder_from_any_level_in_any_order_are_the_same_data_set(tree, tmp_path):
    files = {f"./BreaKHis_v1/{name}": content for name, content in reversed(breakhis_files().items())}
    archive = write_tar(tmp_path / "b.tar.gz", {"README": b"read me", **files})
    sets = [prepared(source, tmp_path / str(place)) for place, source in enumerate([tree, tmp_path, archive])]
    assert len({dataset.content_hash for dataset in sets}) == 1
    assert len({(dataset.folder / "images.npy").read_bytes() for dataset in sets}) == 1
    assert sets[2].info["report"]["ignored"] == [{"what": "no suffix file", "count": 1, "examples": ["README"]}]


def test_the_number_of_workers_changes_nothing(tree, tmp_path):
    one, two = prepared(tree, tmp_path / "1"), prepared(tree, tmp_path / "2", workers=2)
    assert (one.folder / "images.npy").read_bytes() == (two.folder / "images.npy").read_bytes()
    assert (one.folder / "manifest.parquet").read_bytes() == (two.folder / "manifest.parquet").read_bytes()


def test_nothing_but_the_data_set_is_left(tree, tmp_path):
    dataset = prepared(tree, tmp_path / "w")
    names = sorted(path.name for path in dataset.folder.iterdir())
    assert names == ["checksums.json", "copies.csv", "dataset.json", "images.npy", "manifest.parquet"]
    assert list((tmp_path / "w" / "data" / ".preparing").iterdir()) == []


def test_repeating_does_nothing_and_another_request_is_refused(tree, tmp_path):
    first = prepared(tree, tmp_path / "w")
    assert prepared(tree, tmp_path / "w", progress=lambda state: pytest.fail("worked")).info == first.info
    with pytest.raises(UsageError, match=r"differs in size\. Pass another --name, or --overwrite"):
        prepared(tree, tmp_path / "w", size=8)
    with pytest.raises(UsageError, match="differs in resize"):
        prepared(tree, tmp_path / "w", resize="crop")
    (tree / NAMES[0]).write_bytes(png("changed"))
    with pytest.raises(UsageError, match="differs in content of the source"):
        prepared(tree, tmp_path / "w")
    assert PreparedDataset.open(first.folder).content_hash == first.content_hash
    assert prepared(tree, tmp_path / "w", overwrite=True).content_hash != first.content_hash
    assert prepared(tree, tmp_path / "w", name="small", size=8).size == 8


def test_unreadable_images_are_left_out_and_listed(tmp_path):
    names = tuple(f"b/SOB_B_A-14-{case}-40-001.png" for case in range(1000, 1040))
    files = breakhis_files(names) | {names[7]: b"not an image", names[8]: png("a")[:-300]}
    dataset = prepared(write_tree(tmp_path / "tree", files), tmp_path / "w")
    report = dataset.info["report"]
    assert report["unreadable"]["count"] == 2
    assert report["unreadable"]["files"][0]["path"] == names[7]
    assert len(dataset.manifest) == 38
    check_whole(dataset)


def test_too_many_unreadable_images_are_an_error_and_leave_no_data_set(tree, tmp_path):
    (tree / NAMES[0]).write_bytes(b"")
    with pytest.raises(DataError, match=f"at most 5% unreadable images, found 1 of 6, among them {NAMES[0]}"):
        prepared(tree, tmp_path / "w")
    assert not (tmp_path / "w" / "data" / "breakhis").exists()


def test_the_report_counts_quirks(tmp_path):
    files = breakhis_files()
    files[NAMES[5]] = files[NAMES[3]]
    files[NAMES[0]] = png(random_pixels("odd", 30, 16))
    files[NAMES[1]] = png("grey", "L")
    files |= {"notes.txt": b"", ".DS_Store": b"", "picture.png": b""}
    tree = write_tree(tmp_path / "tree", files)
    (tree / "link.png").symlink_to(tree / NAMES[1])
    (tree / "folder").symlink_to(tmp_path)
    report = prepared(tree, tmp_path / "w").info["report"]
    quirks = {quirk["quirk"]: quirk for quirk in report["quirks"]}
    assert quirks["cases that carry two or more subtypes"]["examples"] == [
        "14-13412: ductal_carcinoma + lobular_carcinoma"
    ]
    assert quirks["cases that recur under several slide ids (a split by slide leaks them)"]["count"] == 2
    assert quirks["images of another size than 30x20"]["examples"] == ["30x16: 1"]
    assert quirks["slides without an image at a magnification"]["count"] == 2
    assert quirks["slides with a single image at a magnification"]["count"] == 6
    assert quirks["images that occur under two or more names"]["count"] == 1
    assert "images that occur in two or more cases" not in quirks
    assert quirks["images converted to 8-bit RGB from grey"]["count"] == 1
    assert {entry["what"]: entry["count"] for entry in report["ignored"]} == {
        "hidden file": 1,
        ".txt file": 1,
        "image whose name does not follow the pattern": 2,
    }
    assert report["notes"] == ["links to folders are not followed: 1 (folder)"]
    assert report["known"] == {
        "images": 7909, "slides": 82, "cases": 70, "missing_images": 7903, "extra_images": 0, "missing_slides": 78,
    }  # fmt: skip


def test_any_data_set_enters_through_a_csv(tmp_path):
    write_tree(tmp_path, {f"tiles/{name}.png": png(name) for name in "abcd"})
    rows = ["path,label,magnification,case,scanner,sha256"]
    rows += [f"tiles/{name}.png,0,low,p{name},s1,?" for name in "ab"]
    rows += [f"tiles/{name}.png,1,high,p{name},s1,?" for name in "cd"]
    (tmp_path / "other.csv").write_text("\n".join(rows))
    dataset = prepared(tmp_path / "other.csv", tmp_path / "w")
    assert dataset.name == "other"
    assert dataset.magnifications == ["high", "low"]
    assert list(dataset.manifest["slide"]) == ["pa", "pb", "pc", "pd"]
    assert set(dataset.manifest["scanner"]) == {"s1"}
    assert set(dataset.manifest["csv_sha256"]) == {"?"}
    assert dataset.info["report"]["known"] is None


def test_hostile_archives_leave_nothing_behind(tmp_path):
    archive = write_tar(tmp_path / "b.tar.gz", {NAMES[0]: png("a"), "../" + NAMES[1]: png("b")})
    with pytest.raises(DataError, match=r"\.\./benign"):
        prepared(archive, tmp_path / "w")
    assert [path for path in (tmp_path / "w").rglob("*") if path.is_file()] == []


def test_a_data_set_whose_replacement_was_killed_between_two_moves_comes_back(tree, tmp_path):
    old = prepared(tree, tmp_path / "w")
    unfinished = tmp_path / "w" / "data" / ".preparing" / "breakhis"
    unfinished.mkdir()
    old.folder.rename(unfinished / "replaced")
    archive = write_tar(tmp_path / "b.tar.gz", {"../" + NAMES[1]: png("b")})
    with pytest.raises(UsageError, match="found one that differs in content of the source"):
        prepared(archive, tmp_path / "w")
    with pytest.raises(DataError, match=r"\.\./benign"):
        prepared(archive, tmp_path / "w", overwrite=True)
    assert prepared(tree, tmp_path / "w").info == old.info


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": None}, "found neither --source nor --phantom"),
        ({"source": "nowhere.tar"}, "found nothing at nowhere.tar"),
        ({"source": "."}, "none of breakhis, csv, folders, phantom recognises"),
        ({"source": ".", "kind": "brakhis"}, "Did you mean 'breakhis'"),
        ({"source": None, "kind": "phantom", "options": {"tile": "3"}}, "Did you mean 'tiles'"),
        ({"source": None, "kind": "phantom", "name": "../x"}, "found '../x'"),
        ({"source": None, "kind": "phantom", "size": 4}, "8 to 4096"),
        ({"source": None, "kind": "phantom", "resize": "squish"}, "Did you mean 'squash'"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        Preparation(workspace=tmp_path / "w", **arguments)
    assert not (tmp_path / "w").exists()


def test_a_folder_without_breakhis_names_says_so(tmp_path):
    write_tree(tmp_path / "tree", {"a.png": png("a")})
    with pytest.raises(DataError, match="found none among 1 file "):
        prepared(BreakHis(tmp_path / "tree"), tmp_path / "w")


def test_a_second_prepare_of_the_same_set_is_told_who_holds_it(tree, tmp_path):
    lock = tmp_path / "w" / "data" / ".preparing" / "breakhis.lock"
    with holding(lock, "it"), pytest.raises(RunError, match=f"data set 'breakhis' .*process {os.getpid()}"):
        prepared(tree, tmp_path / "w")


def test_a_workspace_that_cannot_be_written_is_told(tree, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MagsigError, match="choose another --workspace"):
        prepared(tree, tmp_path / "file")


def test_the_phantom_is_prepared_with_its_truth(tmp_path):
    few = {"development_benign": "2", "development_malignant": 2, "test_benign": 0, "test_malignant": 0, "tiles": "2"}
    dataset = prepared(None, tmp_path, kind="phantom", size=24, options=few)
    assert dataset.images.shape == (32, 24, 24, 3)
    assert list(dataset.truth["path"]) == list(dataset.manifest["path"])
    assert set(dataset.manifest["origin"]) == {"phantom"}
    assert set(dataset.manifest["width"]) == {24}
    assert dataset.info["source"]["fingerprint"]["phantom"]["tiles"] == 2
    check_whole(dataset)
    # again, with the values as numbers
    assert prepared(None, tmp_path, kind="phantom", size=24, options=few | {"tiles": 2}).info == dataset.info


KILLED = """
import sys, time
from magsig_tf.data.preparation.prepare import Preparation

def stop_in_the_middle(state):
    if state.images >= 8:
        print("ready", flush=True)
        time.sleep(60)

Preparation(sys.argv[1], sys.argv[2], size=16).run(workers=1, progress=stop_in_the_middle)
"""


@pytest.mark.parametrize("archive", [False, True])
def test_a_killed_prepare_continues_to_the_same_content(tmp_path, archive):
    names = tuple(f"SOB_B_A-14-{case}-40-{place:03d}.png" for case in (30, 10, 20) for place in range(8))
    files = breakhis_files(names)
    source = write_tar(tmp_path / "b.tar", files, "w") if archive else write_tree(tmp_path / "tree", files)
    workspace = tmp_path / "w"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(source), str(workspace)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    spool = workspace / "data" / ".preparing" / "breakhis" / "spool"
    with open(spool / "journal.jsonl", "a") as journal, open(spool / "pixels.spool", "ab") as pixels:
        # what a kill in the middle of a write leaves
        journal.write('[]\n{"path": "SOB_B_A-14')
        pixels.write(b"torn")
    states = []
    resumed = prepared(source, workspace, progress=states.append)
    assert states[0].resumed == 8
    assert states[-1].images == 24
    whole = prepared(source, tmp_path / "uninterrupted")
    assert resumed.content_hash == whole.content_hash
    for name in ("images.npy", "manifest.parquet"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_spooled_pixels_that_a_power_cut_spoiled_are_decoded_again(tree, tmp_path):
    workspace = tmp_path / "w"

    def stop(state):
        if state.images:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepared(tree, workspace, progress=stop)
    spool = workspace / "data" / ".preparing" / "breakhis" / "spool" / "pixels.spool"
    content = bytearray(spool.read_bytes())
    content[200] ^= 1
    spool.write_bytes(content)
    states = []
    dataset = prepared(tree, workspace, progress=states.append)
    assert states[0].resumed == 5
    check_whole(dataset)
    assert dataset.content_hash == prepared(tree, tmp_path / "fresh").content_hash


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_a_kill_before_the_last_file_is_written_continues(tree, tmp_path, monkeypatch):
    workspace = tmp_path / "w"
    with monkeypatch.context() as patch:
        # a signal to this process would be handled some steps later
        patch.setattr("magsig_tf.data.preparation.write.write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared(tree, workspace)
    assert not (workspace / "data" / "breakhis").exists()
    states = []
    dataset = prepared(tree, workspace, progress=states.append)
    assert states[0].resumed == 6
    check_whole(dataset)


def test_a_damaged_data_set_is_refused(tree, tmp_path):
    dataset = prepared(tree, tmp_path / "w")
    info = json.loads((dataset.folder / "dataset.json").read_text())
    (dataset.folder / "dataset.json").write_text(json.dumps(info | {"size": 8}))
    with pytest.raises(ChangedError, match=r"dataset\.json as magsig wrote it, found it changed since"):
        PreparedDataset.open(dataset.folder)
    del info["checksums"]  # as a version without checksums left it
    (dataset.folder / "checksums.json").unlink()
    (dataset.folder / "dataset.json").write_text(json.dumps(info | {"size": 8}))
    with pytest.raises(DataError, match="Repeat `magsig prepare` with --overwrite"):
        PreparedDataset.open(dataset.folder)
    with pytest.raises(DataError, match="Run `magsig prepare` first"):
        PreparedDataset.open(tmp_path / "none")


@pytest.mark.real
def test_real_images_from_folder_and_archive(real_data, tmp_path):
    native = real_data / "native"
    folder = prepared(native, tmp_path / "folder", size=224)
    images = sorted(native.rglob("*.png"), key=lambda path: path.name)
    archive = write_tar(
        tmp_path / "native.tar", {str(path.relative_to(native)): path.read_bytes() for path in images}, "w"
    )
    assert prepared(archive, tmp_path / "archive", size=224).content_hash == folder.content_hash
    report = folder.info["report"]
    assert (report["images"], report["cases"]) == (48, 22)
    assert report["known"]["missing_images"] == 7909 - 48
    assert report["known"]["extra_images"] == 0
    cases = {(entry["label"], entry["magnification"]): entry["cases"] for entry in report["cases_per_class"]}
    assert cases["benign", "100X"] == 6
    assert cases["malignant", "100X"] == 12
    quirks = {quirk["quirk"]: quirk for quirk in report["quirks"]}
    assert quirks["images of another size than 700x460"]["examples"] == ["700x456: 1"]


@pytest.mark.real
def test_real_tiles_keep_their_pixels_and_origin(real_data, tmp_path):
    rows = (real_data / "manifest.csv").read_text().splitlines()
    few = [rows[0], *rows[1::160]]
    (tmp_path / "few.csv").write_text("\n".join(few) + "\n")
    (tmp_path / "tiles224").symlink_to(real_data / "tiles224")
    dataset = prepared(CsvManifest(tmp_path / "few.csv"), tmp_path / "w", size=224)
    assert len(dataset.manifest) == len(few) - 1
    assert dataset.manifest["origin"].str.startswith(("real", "digital-zoom")).all()
    assert set(dataset.manifest["width"]) == {224}


def test_a_folder_of_links_is_read_and_broken_links_are_listed(tmp_path):
    write_tree(tmp_path / "real", breakhis_files())
    names = [f"SOB_B_A-14-22549AB-40-{number:03d}.png" for number in range(1, 31)]
    for name in names:
        (tmp_path / "links").mkdir(exist_ok=True)
        (tmp_path / "links" / name).symlink_to(tmp_path / ("nowhere" if name == names[-1] else f"real/{NAMES[0]}"))
    report = prepared(tmp_path / "links", tmp_path / "w").info["report"]
    assert report["images"] == 29
    assert [entry["path"] for entry in report["unreadable"]["files"]] == [names[-1]]
    assert report["notes"] == ["30 of the 30 files are links, which were followed"]


def test_copies_in_another_format_are_read_and_said_and_two_formats_of_one_image_are_refused(tmp_path):
    files = {name.replace(".png", ".jpg"): content for name, content in breakhis_files().items()}
    report = prepared(write_tree(tmp_path / "jpg", files), tmp_path / "w").info["report"]
    assert report["images"] == len(NAMES)
    assert "6 of the images are .jpg copies of BreaKHis" in report["notes"][0]
    both = write_tree(tmp_path / "both", files | breakhis_files())
    with pytest.raises(DataError, match=r"as \.jpg and as \.png"):
        prepared(both, tmp_path / "v")


def test_zip_tar_and_folder_give_one_data_set_whatever_a_mac_has_added(tmp_path):
    junk = {f"{name.rsplit('/', 1)[0]}/._{name.rsplit('/', 1)[1]}": b"\0" for name in NAMES}
    junk |= {"benign/.DS_Store": b"", "__MACOSX/" + NAMES[0]: b"\0"}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, content in (breakhis_files() | junk).items():
            archive.writestr(f"BreaKHis_v1/{name}", content)
    packed = prepared(tmp_path / "b.zip", tmp_path / "w")
    assert {entry["what"]: entry["count"] for entry in packed.info["report"]["ignored"]} == {"hidden file": len(junk)}
    folder = prepared(write_tree(tmp_path / "tree", breakhis_files()), tmp_path / "v")
    assert packed.content_hash == folder.content_hash
