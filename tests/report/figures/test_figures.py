"""Figures: frames against hand-worked values, and what a reader sees of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from magsig_tf.evaluation import arrange, load_runs
from magsig_tf.evaluation.curves import roc_table
from magsig_tf.reasons import ONE_SIDED
from magsig_tf.report.figures import (
    CaseStrips,
    HeldOutAgainstSource,
    MetricsPerHoldout,
    Palette,
    PooledCalibration,
    ProbeBars,
    RiskCoverage,
    RocPerHoldout,
    SignatureOverlap,
    SignatureSize,
    SplitDiagram,
    TrainingCurves,
)
from magsig_tf.report.figures.base import SMALLEST
from magsig_tf.report.figures.marks import shortened
from magsig_tf.runs.matrix import Matrix
from magsig_tf.statistics.metrics import auc
from tests.evaluation.fake_runs import FakeStudy

HOSTILE = "<img src=x onerror=alert(1)> $x^2$ " + 60 * "m"
COUNTS = {"train": {"benign": 3, "malignant": 5}, "validation": {"benign": 1, "malignant": 2}}
COUNTS["test"] = {"benign": 2, "malignant": 4}


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    study = FakeStudy(tmp_path_factory.mktemp("study"), cases=(10, 12), folds=2, images=2)
    study.write(holdouts=("40X", "100X"), cases_per_class=COUNTS)
    return arrange(load_runs(study.workspace, "fake").runs)


def words(drawing) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in drawing.findobj(Text) if text.get_text()]


def test_area_under_the_averaged_roc_is_the_mean_auc(matrix):
    frame = roc_table(matrix, replicates=20)
    for group in matrix.groups:
        curve = frame[(frame["label"] == group.label) & (frame["holdout"] == "40X")]
        tested = [run.part("test") for (holdout, _, _), run in group.runs.items() if holdout == "40X"]
        mean = np.mean([auc(rows["label"], rows["probability"]) for rows in tested])
        area = np.trapezoid(curve["sensitivity"], curve["false_positive_rate"])
        assert area == pytest.approx(mean, abs=0.01)
        known = curve.dropna(subset="low")
        assert (known["low"] < known["high"]).all()
        # where every replicate has the same sensitivity, as at the end, there is no band
        assert len(known) > 50
        assert np.isnan(curve["high"].iloc[-1])
        assert set(curve["runs"]) == {2}
        assert (set(curve["cases_benign"]), set(curve["cases_malignant"])) == ({10}, {12})


def test_every_case_is_used_once_a_magnification(matrix):
    frame = SplitDiagram(matrix).frame()
    assert list(frame.groupby(["holdout", "magnification"])["cases_benign"].sum().unique()) == [6]
    here = frame[(frame["holdout"] == "100X") & (frame["block"] == "test")].set_index("magnification")["use"]
    assert here.to_dict() == dict.fromkeys(("40X", "200X", "400X"), "in-domain test") | {"100X": "held-out test"}
    drawn = frame[(frame["holdout"] == "100X") & (frame["magnification"] == "100X")]
    assert list(drawn["use"]) == ["not used", "not used", "held-out test"]


def test_risk_at_full_coverage_is_the_error_rate(matrix):
    frame = RiskCoverage(matrix, replicates=5).frame()
    group = matrix.groups[0]
    rows = pd.concat([run.part("test") for run in group.runs.values()])
    wrong = ((rows["probability"] >= 0.5) != (rows["label"] == 1)).mean()
    ours = frame[(frame["label"] == group.label) & (frame["coverage"] == 1)]
    assert ours["risk"].item() == pytest.approx(wrong)


def test_share_of_wrong_images_of_a_case(matrix):
    frame = CaseStrips(matrix).frame()
    group = matrix.groups[0]
    rows = pd.concat([run.part("test") for run in group.runs.values()])
    rows = rows[rows["case"] == "case-003"]
    wrong = ((rows["probability"] >= 0.5) != (rows["label"] == 1)).mean()
    ours = frame[(frame["label"] == group.label) & (frame["case"] == "case-003")]
    assert (ours["wrong"].item(), ours["answers"].item()) == (pytest.approx(wrong), len(rows))


def test_reliability_bins_hold_all_malignant_images(matrix):
    frame = PooledCalibration(matrix, replicates=5).frame()
    ours = frame[frame["label"] == "grl"]
    assert ours["probability"].is_monotonic_increasing
    assert set(ours["images"]) == {22 * 2 * 2}
    assert ours["malignant_share"].between(0, 1).all()


@pytest.mark.parametrize("kind", [RocPerHoldout, PooledCalibration, RiskCoverage])
def test_curves_have_the_methods_colours_units_and_counts(matrix, kind):
    figure = kind(matrix, replicates=5)
    drawing, palette = figure.plot(), Palette(["baseline", "grl"])
    drawn = {line.get_color() for ax in drawing.axes for line in ax.get_lines()}
    assert {palette[label].colour for label in ("baseline", "grl")} <= drawn
    assert "n = 10 benign + 12 malignant cases" in " ".join(words(drawing))
    assert {"baseline", "grl"} <= {text.split(":")[0] for text in words(drawing)}


def summary_rows(label: str = "grl") -> pd.DataFrame:
    counts = {"cases_benign": 5, "cases_malignant": 6, "images": 44, "runs": 1, "reason": ""}
    base = {"label": label, "metric": "auc", "quantity": "held_out", "level": "image", "interval": "student", **counts}
    return pd.DataFrame(
        [
            base | {"holdout": "40X", "value": 0.8, "low": 0.7, "high": 0.9},
            base | {"holdout": "100X", "value": 0.6, "low": np.nan, "high": np.nan},
            base | {"holdout": "200X", "value": np.nan, "low": np.nan, "high": np.nan},
        ]
    )


def test_a_point_has_a_bar_where_it_has_an_interval():
    figure = MetricsPerHoldout(summary_rows())
    assert list(figure.frame()["holdout"]) == ["40X", "100X"]
    lines = [line for line in figure.plot().axes[0].get_lines() if line.get_color() == Palette(["grl"])["grl"].colour]
    points = [line.get_ydata() for line in lines if len(line.get_ydata()) == 1]
    bars = [list(line.get_ydata()) for line in lines if len(line.get_ydata()) == 2]
    assert [float(point[0]) for point in points] == [0.8, 0.6]
    assert bars == [[0.7, 0.9]]


def test_a_one_sided_interval_is_a_dashed_bar():
    rows = summary_rows().iloc[:1]
    rows = pd.concat([rows, rows.assign(holdout="100X", value=1.0, low=0.61, high=1.0, interval=ONE_SIDED)])
    lines = [line for line in MetricsPerHoldout(rows).plot().axes[0].get_lines() if len(line.get_ydata()) == 2]
    styles = {tuple(line.get_ydata()): line.get_linestyle() for line in lines}
    assert styles[0.7, 0.9] == "-"
    assert styles[0.61, 1.0] == "--"


def test_names_from_files_stay_text_and_fit(tmp_path):
    figure = MetricsPerHoldout(summary_rows(HOSTILE))
    svg, png = figure.write(tmp_path)
    text = svg.read_text()
    assert "<img" not in text
    assert png.stat().st_size > 1000
    drawing = figure.plot()
    drawing.canvas.draw()
    [legend] = drawing.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= drawing.bbox.width
    assert min(text.get_fontsize() for ax in drawing.axes for text in ax.get_xticklabels()) >= SMALLEST


def test_a_figure_is_the_same_file_twice(tmp_path):
    one, _ = MetricsPerHoldout(summary_rows()).write(tmp_path / "one")
    two, _ = MetricsPerHoldout(summary_rows()).write(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


def test_overlap_is_the_mean_over_groups_and_says_it_in_the_cell():
    base = {"label": "grl", "first": "40X", "second": "100X", "expected": 0.1}
    pairs = pd.DataFrame([base | {"jaccard": 0.2, "adjusted": 0.1}, base | {"jaccard": 0.4, "adjusted": -0.3}])
    figure = SignatureOverlap(pairs)
    row = figure.frame().iloc[0]
    assert (row["jaccard"], row["adjusted"], row["comparisons"]) == (pytest.approx(0.3), pytest.approx(-0.1), 2)
    assert {".300", ".100", "-.100", "chance"} <= set(words(figure.plot()))


def test_sizes_of_signatures_and_of_embeddings_are_said():
    base = {"label": "random small_cnn", "patient_fold": 0, "seed": 0, "p": 128}
    runs = pd.DataFrame([base | {"holdout": "40X", "k": 4}, base | {"holdout": "100X", "k": None}]).astype(
        {"k": "Int64"}
    )
    figure = SignatureSize(runs, palette=Palette(["grl"]))
    assert list(figure.frame()["k"]) == [4]
    assert any("p = 128" in text for text in words(figure.plot()))


def probe_row(subject: str, probe: str, value: float, **more: object) -> dict[str, object]:
    metric = "top1" if probe == "identity" else "balanced_accuracy"
    kind = "method" if subject == "grl" else "control"
    about = {"subject": subject, "kind": kind, "probe": probe, "metric": metric, "rows": "source", "control": "none"}
    numbers = {"value": value, "low": value - 0.1, "high": value + 0.1, "chance": 0.25, "reason": ""}
    return about | numbers | {"cases": 20, "embeddings": 4, "images": 240} | more


def test_probes_are_bars_beside_chance_and_their_shuffled_control():
    table = pd.DataFrame(
        [
            probe_row("grl", "linear", 0.9),
            probe_row("grl", "linear", 0.9, rows="all"),
            probe_row("grl", "linear", 0.3, control="shuffled"),
            probe_row("grl", "linear", 0.7, metric="mutual_information"),
            probe_row("grl", "identity", 0.4, chance=0.05),
            probe_row("colour mean and SD", "linear", 0.8, low=np.nan, high=np.nan),
            probe_row("colour mean and SD", "identity", np.nan, reason="no case at two magnifications"),
        ]
    )
    figure = ProbeBars(table)
    frame = figure.frame().set_index(["label", "probe"])
    assert len(frame) == 4
    assert frame.loc[("grl", "linear"), ["value", "shuffled", "chance"]].tolist() == [0.9, 0.3, 0.25]
    assert frame.loc[("grl", "identity"), "chance"] == 0.05
    drawing = figure.plot()
    linear, identity = drawing.axes
    grl, colours = linear.patches
    assert (grl.get_width(), colours.get_width()) == (0.9, 0.8)
    assert grl.get_facecolor() != colours.get_facecolor()
    assert len(identity.patches) == 1
    assert [line.get_xdata()[0] for line in linear.get_lines() if line.get_linestyle() == "--"] == [0.25, 0.25]
    assert [list(line.get_xdata()) for line in linear.get_lines() if line.get_linestyle() == "-"] == [[0.8, 1.0]]
    assert {"not defined", "chance", "shuffled", "95 % interval"} <= set(words(drawing))
    assert any("n = 20 test cases" in text for text in words(drawing))


@pytest.mark.parametrize(
    "figure",
    [
        RocPerHoldout(Matrix([], [])),
        SignatureOverlap(pd.DataFrame()),
        SignatureSize(pd.DataFrame()),
        ProbeBars(pd.DataFrame()),
    ],
    ids=lambda figure: figure.name,
)
def test_what_is_absent_is_said_in_words(figure):
    assert figure.frame().empty
    assert " ".join(words(figure.plot())).replace("\n", " ").startswith("not run: ")


def test_logs_give_epochs_and_chance_and_damaged_lines_nothing(matrix):
    run = next(iter(matrix.groups[1].runs.values()))
    record = '{"kind": "epoch", "epoch": 0, "loss": 0.7, "domain_accuracy": 0.5, "validation_loss": NaN}'
    (run.folder / "log.jsonl").write_text(f"{record}\nnot json\n[1]\n")
    frame = TrainingCurves(matrix).frame()
    assert set(zip(frame["quantity"], frame["value"], strict=True)) == {
        ("classification_loss", 0.7),
        ("domain_accuracy", 0.5),
    }
    assert (set(frame["epoch"]), set(frame["chance"])) == ({1}, {1 / 3})


def test_colours_do_not_depend_on_which_methods_are_there():
    few, many = Palette(["grl"]), Palette(["baseline", "gan", "grl", "coral"])
    assert few["grl"] == many["grl"]
    assert len({many[label].colour for label in ("baseline", "gan", "grl", "coral")}) == 4
    configs = Palette(["grl 111111", "grl 222222"])
    assert configs["grl 111111"].colour == configs["grl 222222"].colour == many["grl"].colour
    assert configs["grl 111111"].marker != configs["grl 222222"].marker


def test_overlaps_of_fewer_holdouts_lie_in_the_same_places():
    rows = [("a", "100X", "200X"), ("b", "40X", "100X"), ("b", "40X", "200X"), ("b", "100X", "200X")]
    pairs = pd.DataFrame(rows, columns=["label", "first", "second"]).assign(jaccard=0.5, expected=0.1, adjusted=0.4)
    drawing = SignatureOverlap(pairs).plot()
    first, second = drawing.axes[0], drawing.axes[3]
    assert first.get_images()[0].get_array().shape == second.get_images()[0].get_array().shape == (2, 2)
    (only,) = first.texts
    assert only.get_position() == second.texts[-1].get_position()
    assert [label.get_text() for label in second.get_xticklabels()] == ["40X", "100X"]


def test_a_shortened_label_keeps_the_mark_of_moving_statistics():
    assert shortened("grl moving statistics") == "grl moving statistics"
    assert shortened("baseline moving statistics") == "baseline moving"
    for label in ("baseline 9a81beef moving statistics", "baseline-resampled 9a81beef oracle moving statistics"):
        for longest in (18, 20, 24):
            found = shortened(label, longest)
            assert len(found) <= longest
            assert found.endswith("moving")


def test_both_sides_of_a_drop_are_the_metric_itself_whatever_its_sign():
    rows = summary_rows().assign(value=[0.2, 0.3, 0.4], metric="brier")
    drops = rows.assign(quantity="drop", value=-0.1, low=-0.2, high=0.0)
    frame = HeldOutAgainstSource(pd.concat([rows.assign(quantity="as_source"), drops]), "brier").frame()
    assert frame["held_out"].tolist() == pytest.approx([0.3, 0.4, 0.5])
