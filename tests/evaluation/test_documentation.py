"""docs/numbers.md names every metric, quantity and column."""

from magsig_tf.evaluation import METRICS, load_runs, summarise
from magsig_tf.evaluation.comparison import compare
from tests.evaluation.fake_runs import FakeStudy


def test_every_metric_and_column_is_defined(tmp_path, root):
    study = FakeStudy(tmp_path, cases=(5, 5), images=1)
    study.write(holdouts=["40X"])
    loaded = load_runs(study.workspace, study.dataset)
    frame = summarise(loaded, replicates=100).frame()
    compared = compare(loaded, "grl", "baseline", metrics=["auc"], replicates=100).frame()
    text = (root / "docs" / "numbers.md").read_text(encoding="utf-8")
    for name in [*METRICS, *frame["quantity"].unique(), *frame.columns, *compared.columns]:
        assert f"`{name}`" in text, name
