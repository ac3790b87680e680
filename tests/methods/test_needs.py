"""What methods declare: theirs, and that of the method which docs/extending.md spells out."""

import sys

import pytest

from magsig_tf.methods.baseline import Baseline
from magsig_tf.methods.baseline_resampled import BaselineResampled
from magsig_tf.methods.gan import GanMethod
from magsig_tf.methods.grl import GradientReversalMethod
from magsig_tf.methods.needs import ChangedImages, FoldGansNeeded, RunNeeded
from magsig_tf.models.gan_options import GanOptions
from tests.house.documentation import ROOT, shown_files


@pytest.mark.parametrize("method", [Baseline, GradientReversalMethod])
def test_methods_on_real_images_need_nothing_and_change_nothing(method):
    assert method.needs(method.Options()) == ()
    assert method.changed_images(method.Options()) is None


def test_gan_needs_its_fold_and_with_the_filter_a_baseline_run():
    options = GanMethod.Options(gan_steps=7, synthetic_ratio=0.25)
    assert GanMethod.needs(options) == (FoldGansNeeded(GanOptions(gan_steps=7)),)
    filtered = GanMethod.Options(gan_steps=7, synthetic_filter=True, synthetic_confidence=0.8)
    assert GanMethod.needs(filtered) == (FoldGansNeeded(GanOptions(gan_steps=7)), RunNeeded("baseline"))
    assert GanMethod.changed_images(filtered) == ChangedImages(64, 0.5, 0.5, filtered=True, confidence=0.8)


def test_the_control_resamples_the_same_share_to_the_same_size_and_has_no_synthetic_images():
    values = {"gan_size": 32, "synthetic_ratio": 0.25}
    gan = GanMethod.changed_images(GanMethod.Options(**values))
    control = BaselineResampled.changed_images(BaselineResampled.Options(**values))
    assert (control.size, control.resampled_share) == (gan.size, gan.resampled_share) == (32, 0.25)
    assert (control.synthetic_share, gan.synthetic_share) == (0, 0.25)
    assert BaselineResampled.needs(BaselineResampled.Options(**values)) == ()


def test_the_method_of_the_page_asks_for_gans_and_a_quarter_of_each_batch(tmp_path, monkeypatch):
    name = "grl_with_synthetic_images"
    text = shown_files(ROOT / "docs" / "extending.md")[f"{name}.py"]
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    method = __import__(name).SyntheticReversal
    sys.modules.pop(name)
    options = method.Options(lambda_max=0.3, gan_size=32, gan_steps=7)
    assert method.needs(options) == (FoldGansNeeded(GanOptions(gan_size=32, gan_steps=7)),)
    assert method.changed_images(options) == ChangedImages(32, synthetic_share=0.25)
