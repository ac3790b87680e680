"""Kinds of interval, p-values and Holm's correction against hand-worked values, closed forms and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from magsig_tf.errors import UsageError
from magsig_tf.reasons import NO_SPREAD, ONE_SIDED
from magsig_tf.statistics import intervals
from magsig_tf.statistics.intervals import (
    DIFFERENCE,
    INTERVAL_KIND,
    INTERVALS,
    SHARE,
    UNBOUNDED,
    Bootstrapped,
    holm,
    one_sided_interval,
    p_value,
    percentile_interval,
    student_interval,
    widening,
)

CASES = (6, 10)


def interval(*arguments, **options):
    """Both ends."""
    return intervals.interval(*arguments, **options).ends


def around(value, spread=0.02, count=2000, bounds=SHARE, cases=CASES):
    """A number whose replicates are the quantiles of a normal distribution."""
    replicates = value + spread * stats.norm.ppf((np.arange(count) + 0.5) / count)
    return Bootstrapped(value, replicates, cases, bounds)


def test_percentile_interval_leaves_undefined_replicates_out():
    number = Bootstrapped(50.0, np.append(np.arange(101.0), np.nan), CASES)
    assert interval(number, 0.9, "percentile") == pytest.approx((5, 95))
    assert percentile_interval(number.replicates, 50.0, 0.9) == pytest.approx((5, 95))


def test_the_percentile_interval_is_scipys():
    sample = np.random.default_rng(0).exponential(size=40)
    found = stats.bootstrap((sample,), np.mean, n_resamples=999, method="percentile")
    low, high = interval(Bootstrapped(sample.mean(), found.bootstrap_distribution, CASES), 0.95, "percentile")
    assert (low, high) == pytest.approx(tuple(found.confidence_interval))


def test_widening_is_that_of_the_smaller_class():
    quantile, factor = widening((8, 8), 0.95)
    assert quantile == pytest.approx(stats.t.ppf(0.975, 7))
    assert factor == pytest.approx(math.sqrt(8 / 7))
    # with many cases nothing is left to widen
    assert widening((100_000, 100_000), 0.95) == pytest.approx((stats.norm.ppf(0.975), 1), abs=1e-4)


@pytest.mark.parametrize("spread", [0.05, 1.0, 20.0])
def test_it_is_no_narrower_than_welchs_however_much_each_class_varies(spread):
    one, two = stats.zscore(np.arange(6), ddof=1), spread * stats.zscore(np.arange(10), ddof=1)
    freedom = stats.ttest_ind(one, two, equal_var=False).df
    assert widening(CASES, 0.9)[0] >= stats.t.ppf(0.95, freedom) - 1e-9


def test_students_interval_of_a_difference_of_means_has_the_error_of_two_means():
    """The bootstrap error times its factor is the error of two means when both classes vary alike."""
    draw = np.random.default_rng(1)
    samples = [sample / sample.std(ddof=1) for sample in (draw.normal(size=n) for n in CASES)]
    weights = [draw.multinomial(n, np.full(n, 1 / n), 200_000) / n for n in CASES]
    replicates = weights[0] @ samples[0] - weights[1] @ samples[1]
    value = samples[0].mean() - samples[1].mean()
    found = student_interval(Bootstrapped(value, replicates, CASES), 0.95)
    reach = stats.t.ppf(0.975, 5) * math.sqrt(1 / 6 + 1 / 10)
    assert found == pytest.approx((value - reach, value + reach), abs=0.01)


def test_a_share_is_taken_on_the_logit_scale_and_a_loss_on_that_of_logarithms():
    number = around(0.9)
    quantile, factor = widening(CASES, 0.95)
    reach = quantile * factor * np.std(number.replicates, ddof=1)
    low, high = interval(number, 0.95, "student")
    centre = math.log(0.9 / 0.1)
    for end, sign in ((low, -1), (high, 1)):
        assert math.log(end / (1 - end)) == pytest.approx(centre + sign * reach / (0.9 * 0.1))
    low, high = student_interval(around(0.4, bounds=(0.0, math.inf)), 0.95)
    assert math.log(high / 0.4) == pytest.approx(reach / 0.4)
    assert math.log(0.4 / low) == pytest.approx(reach / 0.4)
    # a small difference hardly feels its bounds
    plain = student_interval(around(0.03, bounds=(-math.inf, math.inf)), 0.95)
    assert student_interval(around(0.03, bounds=DIFFERENCE), 0.95) == pytest.approx(plain, abs=2e-4)


def test_a_calibration_error_keeps_its_scale_and_is_cut_off_at_0():
    number = around(0.05, spread=0.01)
    kept = Bootstrapped(number.value, number.replicates, CASES, SHARE, stretched=False)
    low, high = student_interval(kept, 0.95)
    assert (low + high) / 2 == pytest.approx(0.05)
    assert low < student_interval(number, 0.95)[0]
    wide = around(0.05, spread=0.1)
    assert student_interval(Bootstrapped(0.05, wide.replicates, CASES, SHARE, stretched=False), 0.95)[0] == 0


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_number_without_spread_has_no_interval_where_nothing_bounds_it(kind, value):
    found = intervals.interval(Bootstrapped(value, np.full(100, value), CASES, SHARE), 0.95, kind)
    assert np.isnan(found.ends).all()
    assert (found.kind, found.reason.code) == (kind, NO_SPREAD)


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.parametrize("cases", [5, 6, 13])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_a_value_on_a_bound_has_the_bound_of_clopper_and_pearson(kind, cases, level):
    for value in (0.0, 1.0):
        number = Bootstrapped(value, np.full(100, value), CASES, SHARE, trials=(cases, cases))
        found = intervals.interval(number, level, kind)
        # a two-sided interval at 1 - 2 alpha has the one-sided bound at 1 - alpha
        exact = stats.binomtest(round(value * cases), cases).proportion_ci(2 * level - 1, "exact")
        assert found.ends == pytest.approx((exact.low, exact.high))
        assert (found.kind, found.reason.code) == (ONE_SIDED, ONE_SIDED)
        assert f"{cases} cases" in found.reason


def test_a_bound_follows_the_width_between_the_bounds_and_rounding_is_no_spread():
    number = Bootstrapped(1 - 1e-15, np.array([1, 1 - 3e-16, 1]), CASES, SHARE, trials=(0, 10))
    assert intervals.interval(number).ends == pytest.approx((0.05 ** (1 / 10), 1))
    half = Bootstrapped(0.5, np.full(9, 0.5), CASES, (0.0, 0.5), trials=(0, 10))
    assert one_sided_interval(half, 0.95).ends == pytest.approx((0.5 * 0.05 ** (1 / 10), 0.5))


def test_one_replicate_is_no_interval():
    number = Bootstrapped(1.0, np.array([1.0]), CASES, SHARE, trials=(5, 5))
    assert np.isnan(intervals.interval(number).ends).all()


@pytest.mark.parametrize("kind", INTERVALS)
def test_without_a_defined_replicate_there_is_none(kind):
    assert np.isnan(interval(Bootstrapped(0.5, np.full(3, np.nan), CASES, SHARE), 0.95, kind)).all()


@given(
    st.floats(0.001, 0.999),
    st.floats(1e-6, 0.5),
    st.tuples(st.integers(2, 60), st.integers(2, 60)),
    st.sampled_from(sorted(INTERVALS)),
)
def test_ends_are_in_order_within_the_bounds_and_wider_at_a_higher_level(value, spread, cases, kind):
    number = around(value, spread, 200, SHARE, cases)
    number = Bootstrapped(value, np.clip(number.replicates, 0, 1), cases, SHARE)
    (low, high), (lower, higher) = (interval(number, level, kind) for level in (0.9, 0.95))
    assert 0 <= lower <= low <= high <= higher <= 1
    turned = Bootstrapped(1 - value, 1 - number.replicates, cases, SHARE)
    assert interval(turned, 0.9, kind) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_fewer_cases_make_it_wider_and_the_expanded_percentile_interval_too():
    for kind in ("student", "expanded_percentile"):
        widths = [np.diff(interval(around(0.8, cases=cases), 0.95, kind))[0] for cases in ((5, 5), CASES, (30, 30))]
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] > np.diff(interval(around(0.8), 0.95, "percentile"))[0]


def test_an_unknown_kind_of_interval_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="percentile"):
        interval(around(0.5), kind="percentil")
    assert INTERVAL_KIND in INTERVALS


p_values = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=12)


@pytest.mark.parametrize("kind", INTERVALS)
@given(st.floats(-0.3, 0.3), st.floats(0.01, 0.3), st.sampled_from([(5, 15), (8, 8), (30, 60)]), st.booleans())
@settings(deadline=None, max_examples=40)
def test_p_is_below_a_level_exactly_where_its_interval_leaves_0_out(kind, value, spread, cases, bounded):
    replicates = value + spread * np.random.default_rng(0).normal(size=99)
    number = Bootstrapped(value, replicates, cases, DIFFERENCE if bounded else UNBOUNDED)
    p = p_value(number, kind=kind)
    assert 0 < p <= 1
    for level in (0.5, 0.9, 0.95, 0.99):
        low, high = interval(number, level, kind)
        if min(abs(low), abs(high)) > 1e-6:
            assert (p < 1 - level) == (not low <= 0 <= high)


def test_p_of_a_difference_of_means_is_that_of_a_t_test_with_the_smaller_sample():
    rng = np.random.default_rng(2)
    first, other = rng.normal(0.9, 1, 12), rng.normal(0, 1, 9)
    # replicates without chance: as far from the value as the standard error that drawing again would have
    value, count = first.mean() - other.mean(), (9, 12)
    exact = np.sqrt(first.var(ddof=1) / 12 + other.var(ddof=1) / 9)
    spread = exact / widening(count, 0.95)[1]
    number = Bootstrapped(value, np.resize([value - spread, value + spread], 2000), count, UNBOUNDED)
    assert p_value(number) == pytest.approx(2 * stats.t.sf(abs(value) / exact, 8), rel=2e-3)
    turned = Bootstrapped(-value, -number.replicates, count, UNBOUNDED)
    assert p_value(turned) == pytest.approx(p_value(number), rel=1e-9)
    assert p_value(number, against=value) == 1


def test_p_is_not_defined_without_replicates_that_differ():
    for replicates in (np.full(9, np.nan), np.zeros(9)):
        assert np.isnan(p_value(Bootstrapped(0.0, replicates, (9, 9))))


def test_holm_equals_a_hand_worked_example():
    # smallest times 4, next times 3, and so on; never below the one before it, never above 1
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == pytest.approx([0.02])
    # what was not tested does not count
    assert holm([0.02, np.nan, 0.01]) == pytest.approx([0.02, np.nan, 0.02], nan_ok=True)


@given(p_values)
def test_holm_lies_between_the_raw_p_and_bonferroni_and_keeps_the_order(values):
    raw, corrected = np.array(values, float), holm(values)
    tests = ~np.isnan(raw)
    assert np.array_equal(np.isnan(corrected), ~tests)
    raw, corrected = raw[tests], corrected[tests]
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(1, len(raw) * raw) + 1e-15).all()
    assert (np.diff(corrected[np.argsort(raw, kind="stable")]) >= 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.2))
def test_holm_rejects_what_the_step_down_procedure_rejects(values, alpha):
    rejected, remaining = set(), sorted(range(len(values)), key=lambda i: values[i])
    while remaining and values[remaining[0]] * len(remaining) <= alpha:
        rejected.add(remaining.pop(0))
    assert {i for i, p in enumerate(holm(values)) if p <= alpha} == rejected
