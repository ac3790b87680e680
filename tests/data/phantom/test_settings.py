import pytest

from magsig_tf.data.phantom import PhantomSettings
from magsig_tf.data.phantom.settings import DEFAULT_FIELDS_UM
from magsig_tf.data.sources.phantom import PhantomSource
from magsig_tf.errors import UsageError


@pytest.mark.parametrize(
    "options",
    [
        {"size": 8},
        {"size": 64.0},
        {"size": True},
        {"tiles": 0},
        {"development_benign": 0},
        {"test_benign": 0},
        {"seed": "0"},
        {"fields_um": (180, 110, 67)},
        {"fields_um": (180, 110, 67, -1)},
        {"fields_um": "180"},
        {"true_fields": 1},
        {"true_fields": True, "fields_um": (200, 110, 67, 41)},
        {"separation": -1},
        {"separation": float("nan")},
        {"factor_noise": "wide"},
        {"colour_cast": 9},
        {"confounding": 1.1},
        {"tiles": 10_000},
    ],
)
def test_refuses_silly_values(options):
    with pytest.raises(UsageError, match=r"true_fields|fields_um|test cohort|images|" + next(iter(options))):
        PhantomSettings(**options)


def test_unknown_option_offers_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'separation'"):
        PhantomSource(options={"seperation": 1})


def test_options_as_a_config_gives_them():
    settings = PhantomSettings(fields_um=[100, 80, 60, 40], size=32)
    assert settings.fields_um == (100.0, 80.0, 60.0, 40.0)
    assert settings.pixel_size_um("400X") == pytest.approx(1.25)
    assert hash(settings) == hash(PhantomSettings(fields_um=(100, 80, 60, 40), size=32))


def test_default_cohorts_and_fields():
    settings = PhantomSettings()
    assert settings.cases == 182
    assert [settings.field_um(name) for name in ("40X", "100X", "200X", "400X")] == list(DEFAULT_FIELDS_UM)
    # BreaKHis: 460 px of 0.49 and 0.05 um
    true = PhantomSettings(true_fields=True)
    assert true.field_um("40X") == pytest.approx(460 * 0.49)
    assert true.field_um("400X") == pytest.approx(460 * 0.05)


def test_no_test_cohort_is_allowed():
    assert PhantomSettings(test_benign=0, test_malignant=0).cases == 82
