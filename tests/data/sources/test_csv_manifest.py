from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magsig_tf.data.sources.csv_manifest import CsvManifest, read_csv_manifest
from magsig_tf.errors import DataError

HEADER = "path,label,magnification,case\n"


def write(tmp_path, text: str | bytes, name: str = "other set.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_are_kept_as_text_and_labels_may_be_numbers(tmp_path):
    table = read_csv_manifest(
        write(
            tmp_path,
            "\ufefffile,label,magnification,case,seq,site,width\nb.png,1,low,NA,001,07,9\n./a.png,Benign,high,2,002,,\n",
        )
    )
    assert table.to_dict("records") == [
        {
            "path": "a.png",
            "label": "benign",
            "magnification": "high",
            "case": "2",
            "sequence": "002",
            "site": "",
            "csv_width": "",
        },
        {
            "path": "b.png",
            "label": "malignant",
            "magnification": "low",
            "case": "NA",
            "sequence": "001",
            "site": "07",
            "csv_width": "9",
        },
    ]


def test_the_default_name_is_the_stem_made_fit_for_a_folder(tmp_path):
    assert CsvManifest(write(tmp_path, HEADER)).name == "other-set"
    assert CsvManifest(write(tmp_path, HEADER, "..csv")).name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,case\na,0,1\n", "found no magnification among path, label, case"),
        (HEADER, "only a header"),
        ("", "a table in other set.csv, found nothing"),
        (b"\xff\xfe\x00", "the mark of UTF-16"),
        (HEADER + "a,b,c,d,e,f\n", "its header, 4, found 6 in line 2"),
        (HEADER + "a.png,0,40X,1\na.png,0,40X,1\n", "'a.png' twice"),
        (HEADER + "a.png,0,40X,1\n./a.png,0,40X,1\n", "'a.png' twice"),
        (HEADER + "a.png,0,40X,1\nb.png,1,40X,1\n", "one label per case"),
        (HEADER + "a.png,maybe,40X,1\n", "found 'maybe' in line 2"),
        (HEADER + "a.png,0,40X,\n", "a case for every image"),
        (HEADER + "a.png,0, ,1\n", "a magnification for every image"),
        (HEADER + "/etc/passwd,0,40X,1\n", "below the CSV's folder, found '/etc/passwd' in line 2"),
        (HEADER + "../a.png,0,40X,1\n", "below the CSV's folder"),
        (
            HEADER + "".join(f"{n}.png,0,{n}.png,1\n" for n in range(101)),
            "at most 100 magnifications, found 101, among them '0.png'",
        ),
        ("path,path,label,magnification,case\na,b,0,40X,1\n", "found 'path' twice"),
    ],
)
def test_slips_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read_csv_manifest(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_the_fingerprint_sees_a_changed_image_and_a_missing_one(tmp_path):
    path = write(tmp_path, HEADER + "a.png,0,40X,1\n")
    prints = [CsvManifest(path).fingerprint()]
    for content in (b"one", b"other"):
        (tmp_path / "a.png").write_bytes(content)
        prints.append(CsvManifest(path).fingerprint())
    assert len({str(each) for each in prints}) == 3


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: (HEADER + text).encode())))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path, content):
    with contextlib.suppress(DataError):
        assert set(read_csv_manifest(write(tmp_path, content))["label"]) <= {"benign", "malignant"}


@pytest.mark.real
def test_the_manifest_of_the_real_tiles_is_read_as_it_is(real_data):
    source = CsvManifest(real_data / "manifest.csv")
    counts = source.table.groupby(["magnification", "label"]).size().to_dict()
    assert counts["100X", "benign"] == 190
    assert counts["200X", "malignant"] == 423
    assert len(source.table) == 1274
    assert source.table["origin"].str.startswith("digital-zoom").sum() == 354
    first = next(source.images())
    assert first.content.is_file()
