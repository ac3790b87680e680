"""The sentence of a holdout follows the rules of docs/numbers.md and says no more."""

import pandas as pd
import pytest

from magsig_tf.evaluation.augmentation.differences import explanation_sentence
from tests.evaluation.fake_gans import FLOOR, GOOD

NAN = float("nan")
LOWER, HIGHER, UNKNOWN = (-0.04, -0.07, -0.01), (0.03, 0.01, 0.05), (-0.01, -0.04, 0.02)


def told(baseline=UNKNOWN, resampled=UNKNOWN, alone=UNKNOWN, brier=UNKNOWN, pairs=(4, 4), **quality):
    """Return the rows of one holdout; a difference is (value, low, high), None where it was not run."""
    rows = []
    for quantity, compared, reference, numbers, n in (
        ("auc", "gan", "baseline", baseline, pairs[0]),
        ("auc", "gan", "baseline-resampled", resampled, pairs[1]),
        ("auc", "baseline-resampled", "baseline", alone, pairs[1]),
        ("brier", "gan", "baseline", brier, pairs[0]),
    ):
        about = {"quantity": quantity, "compared": compared, "reference_method": reference, "words": ""}
        value, low, high = numbers or (NAN, NAN, NAN)
        rows.append(about | {"value": value, "low": low, "high": high, "n": n if numbers else 0})
    floors = {f"{name}_floor": value for name, value in FLOOR.items()}
    values = GOOD | floors | {"kid_above_floor": 0.0, "kept_share": NAN} | quality
    for quantity, value in values.items():
        rows.append({"quantity": quantity, "reference_method": "", "compared": "", "value": value, "words": "", "n": 4})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ({"baseline": LOWER}, "AUC .040 lower than baseline (.010 to .070); the AUC difference to baseline-resampled"),
        ({"baseline": HIGHER}, "AUC .030 higher than baseline (.010 to .050)"),
        ({}, "the AUC difference to baseline is inconclusive (-.040 to +.020)"),
        ({"baseline": (-0.2, NAN, NAN)}, "the AUC difference to baseline is inconclusive, without interval (-.200)"),
        ({"baseline": LOWER, "resampled": LOWER}, "so the synthetic images do more than resampling"),
        ({"baseline": LOWER, "alone": LOWER}, "so resampling alone can account for it"),
        ({"baseline": LOWER, "alone": LOWER}, "with resampling alone, AUC .040 lower than baseline"),
        ({"baseline": LOWER, "alone": HIGHER}, "so resampling and synthetic images cannot be separated"),
        ({"baseline": LOWER, "resampled": HIGHER}, "so resampling and synthetic images cannot be separated"),
        ({"baseline": LOWER, "resampled": None}, "AUC against baseline-resampled not run; the Brier difference"),
        ({"brier": HIGHER}, "Brier .030 higher than baseline (.010 to .050). Its 4 GANs"),
    ],
)
def test_differences(differences, said):
    assert said in explanation_sentence(told(**differences), "gan", "400X")


@pytest.mark.parametrize(
    "differences",
    [
        {"resampled": LOWER, "alone": LOWER},
        {"baseline": LOWER, "resampled": None, "alone": None},
        {"baseline": LOWER, "resampled": LOWER, "pairs": (4, 2)},
    ],
)
def test_nothing_is_concluded_without_an_effect_or_on_other_runs(differences):
    sentence = explanation_sentence(told(**differences), "gan", "400X")
    assert "so " not in sentence
    assert ("(on 2 of 4 runs)" in sentence) == ("pairs" in differences)


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (
            {},
            "KID .01, 1.0 times its floor, coverage .800 (floor .900): near what real images of other patients reach;",
        ),
        ({"kid": 0.05, "kid_above_floor": 1.0, "coverage": 0.31}, "KID .05, 5.0 times its floor, coverage .310 (floor"),
        ({"kid": 0.05, "kid_above_floor": 1.0, "coverage": 0.31}, "(floor .900): poor generators;"),
        ({"kid_above_floor": 1.0}, "coverage .800 (floor .900); copied"),
        ({"coverage": 0.31}, "coverage .310 (floor .900); copied"),
        ({"kid_above_floor": 0.5, "coverage": 0.31}, "coverage .310 (floor .900); copied"),
        ({"kid_above_floor": NAN}, "coverage .800 (floor .900); copied"),
        ({"kid": 2.468}, "KID 2.468, 247 times its floor"),
        ({"kid": -0.002}, "KID -.002 (floor .01)"),
        ({"kid": 0.002, "kid_floor": NAN}, "KID .002 (no floor)"),
        ({"coverage": 0.48, "coverage_floor": NAN, "kid_above_floor": 0.75}, "coverage .480: poor generators"),
        ({"copied": 0.06}, "copied .060: they copy training images"),
        ({"copied": 0.06, "copied_floor": 0.04}, "copied .060; magnification"),
        ({"copied": 0.04}, "copied .040; magnification"),
        ({"magnification_shift": 0.15}, "shifted by .150: they mix up magnifications;"),
        ({"magnification_shift": 0.13}, "shifted by .130;"),
        ({"magnification_shift": NAN}, "copied .010; .800"),
        ({}, "; .800 agree with their label (real .850)."),
        ({"label_agreement": 0.74}, "; .740 agree with their label (real .850): label noise."),
        ({"label_agreement": 0.75}, "; .750 agree with their label (real .850)."),
        ({"label_agreement_floor": NAN}, "; .800 agree with their label (no floor)."),
        ({"label_agreement": NAN}, "shifted by .050."),
        ({"kept_share": 0.31}, "; the filter kept .310."),
        ({"kid": NAN}, "Its 4 GANs: quality unknown (not measured)."),
    ],
)
def test_quality(quality, said):
    assert said in explanation_sentence(told(**quality), "gan", "400X")


def test_the_pooled_row_says_what_it_is_of():
    frame = told().replace({"compared": {"gan": "gan 12ab"}})
    assert explanation_sentence(frame, "gan 12ab", "pooled").startswith(
        "gan 12ab over all holdouts: the AUC difference"
    )
