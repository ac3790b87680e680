"""docs/numbers.md names every metric, quantity and column."""

from magsig_tf.evaluation import METRICS, load_runs, summarise
from magsig_tf.evaluation.augmentation.explanation import explain
from magsig_tf.evaluation.comparison import compare
from tests.evaluation.fake_gans import fold_quality, write_gan_run, write_gans
from tests.evaluation.fake_runs import FakeStudy


def test_every_metric_and_column_is_defined(tmp_path, root):
    study = FakeStudy(tmp_path, cases=(5, 5), images=1)
    study.write(holdouts=["40X"])
    loaded = load_runs(study.workspace, study.dataset)
    frame = summarise(loaded, replicates=100).frame()
    compared = compare(loaded, "grl", "baseline", metrics=["auc"], replicates=100).frame()
    write_gans(study, "40X", 0, fold_quality())
    write_gan_run(study, "40X", 0)
    explained = explain(load_runs(study.workspace, study.dataset), study.workspace, replicates=100).frame()
    text = (root / "docs" / "numbers.md").read_text(encoding="utf-8")
    for name in [
        *METRICS,
        *frame["quantity"].unique(),
        *frame.columns,
        *compared.columns,
        *explained.columns,
        *explained["quantity"],
    ]:
        assert f"`{name}`" in text, name
