"""The eraser: the textbook's map, its properties, planted truth, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from magsig_tf.errors import DataError, UsageError
from magsig_tf.linear_models.erasure import LEDOIT_WOLF, SHRINKAGES, fit_eraser, measure_covariances
from magsig_tf.seeding import generator_for
from tests.linear_models.made_up_domains import MAGNIFICATIONS, cross_covariance, planted


def textbook(embeddings, domains, labels=None, shrinkage=0.0):
    """Return r as a function: theorem and pseudo-inverses written out, nothing saved."""
    groups = [np.ones(len(domains), bool)] if labels is None else [labels == each for each in np.unique(labels)]
    covariance = np.mean([np.cov(embeddings[rows].T, bias=True) for rows in groups], axis=0)
    length = len(covariance)
    covariance = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / length * np.eye(length)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-10 * values.max()
    whitening = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    unwhitening = (vectors[:, kept] * np.sqrt(values[kept])) @ vectors[:, kept].T
    seen = whitening @ cross_covariance(embeddings, domains, labels)
    projector = seen @ np.linalg.pinv(seen, rcond=1e-9)
    mean = np.mean([embeddings[rows].mean(0) for rows in groups], axis=0)
    return lambda rows: rows - (rows - mean) @ (unwhitening @ projector @ whitening).T


def test_four_rows_by_hand():
    # covariance [[2, 1], [1, 1]] and means (1, 0), (-1, 0): U = (1, 0), S^-1 U = (1, -1), r(x) = (x2, x2)
    rows = np.array([[2.0, 1], [0, -1], [0, 1], [-2, -1]])
    eraser = fit_eraser(rows, np.array(["40X", "40X", "100X", "100X"]))
    assert eraser.apply(np.array([[7.0, 3.0]])) == pytest.approx(np.array([[3.0, 3.0]]))
    assert eraser.removed_share == pytest.approx(1 / 3)
    assert eraser.rank == 1


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(90, 7), (30, 30), (25, 40)])
def test_it_is_the_textbooks_map_on_old_and_new_rows(shape, shrinkage, by_class):
    embeddings, domains, label = planted(*shape, confounding=0.3, name=str(shape))
    new = planted(20, shape[1], name="new")[0]
    eraser = fit_eraser(embeddings, domains, labels=label, by_class=by_class, shrinkage=shrinkage)
    reference = textbook(embeddings, domains, label if by_class else None, shrinkage)
    for rows in (embeddings, new):
        assert np.abs(eraser.apply(rows) - reference(rows)).max() < 1e-8


@pytest.mark.parametrize("rows", [80, 9])
def test_dependent_dimensions_are_the_textbooks_too(rows):
    embeddings, domains, _ = planted(rows, 5, name="dependent")
    mixed = embeddings @ generator_for("mixing").normal(size=(5, 11))
    new = generator_for("new").normal(size=(4, 11))
    eraser = fit_eraser(mixed, domains)
    assert np.abs(eraser.apply(new) - textbook(mixed, domains)(new)).max() < 1e-7


@st.composite
def problems(draw):
    rows, length = draw(st.integers(12, 50)), draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    domains = random.permutation(np.arange(rows) % draw(st.integers(2, 4)))
    embeddings = random.normal(size=(rows, length)) @ random.normal(size=(length, length)) + domains[:, None]
    embeddings *= 10.0 ** random.uniform(-3, 3, length)
    return embeddings, domains, (np.arange(rows) // 2) % 2


@settings(max_examples=60)
@given(problems(), st.sampled_from(SHRINKAGES), st.booleans())
def test_nothing_is_left_on_the_rows_of_the_fit_at_any_strength(problem, shrinkage, by_class):
    embeddings, domains, label = problem
    groups = label if by_class else None
    eraser = fit_eraser(embeddings, domains, labels=label, by_class=by_class, shrinkage=shrinkage)
    erased = eraser.apply(embeddings)
    before, after = cross_covariance(embeddings, domains, groups), cross_covariance(erased, domains, groups)
    assert np.linalg.norm(after) < 1e-6 * np.linalg.norm(before)
    assert eraser.rank <= len(np.unique(domains)) - 1
    assert eraser.readers.T @ eraser.directions == pytest.approx(np.eye(eraser.rank), abs=1e-6)


@settings(max_examples=40)
@given(problems(), st.sampled_from(SHRINKAGES))
def test_a_second_application_changes_nothing(problem, shrinkage):
    embeddings, domains, _ = problem
    eraser = fit_eraser(embeddings, domains, shrinkage=shrinkage)
    once = eraser.apply(embeddings)
    scale = np.abs(embeddings - eraser.mean).max()
    assert np.abs(eraser.apply(once) - once).max() < 1e-6 * scale


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_erasing_after_an_affine_map_is_the_map_of_the_erased(seed, by_class):
    embeddings, domains, label = planted(150, 6, confounding=0.2)
    random = np.random.default_rng(seed)
    orthogonal = np.linalg.qr(random.normal(size=(6, 6)))[0]
    mixing, shift = orthogonal * 10.0 ** random.uniform(-2, 2, 6), random.normal(size=6)
    options = {"labels": label, "by_class": by_class}
    plain = fit_eraser(embeddings, domains, **options).apply(embeddings)
    mapped = embeddings @ mixing + shift
    erased = fit_eraser(mapped, domains, **options).apply(mapped)
    assert np.abs((erased - shift) @ np.linalg.inv(mixing) - plain).max() < 1e-7


def test_no_other_affine_eraser_changes_the_rows_less():
    embeddings, domains, _ = planted(200, 6)
    eraser = fit_eraser(embeddings, domains)
    mean, directions, random = embeddings.mean(0), eraser.directions, generator_for("rivals")
    least = ((eraser.apply(embeddings) - embeddings) ** 2).mean()
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(25):
            # whatever follows a projector that removes the directions is an eraser
            readers = eraser.readers + size * random.normal(size=directions.shape)
            readers = readers @ np.linalg.inv(directions.T @ readers)
            after = np.eye(6) + size * random.normal(size=(6, 6))
            rival = (np.eye(6) - readers @ directions.T) @ after
            changed = mean + size * random.normal(size=6) + (embeddings - mean) @ rival
            assert np.abs(cross_covariance(changed, domains)).max() < 1e-9
            assert ((changed - embeddings) ** 2).mean() > least


def read(train, target, test):
    """Return the scores that least squares gives each class on other rows, (m, classes)."""
    wanted = (target[:, None] == np.unique(target)).astype(float)
    weights = np.linalg.lstsq(train - train.mean(0), wanted - wanted.mean(0))[0]
    return (test - train.mean(0)) @ weights + wanted.mean(0)


def probe(train, target, test, truth):
    return balanced_accuracy_score(truth, np.unique(target)[read(train, target, test).argmax(1)])


def label_auc(train, target, test, truth):
    return roc_auc_score(truth, read(train, target, test)[:, 1])


@pytest.mark.parametrize("by_class", [False, True])
def test_the_magnification_goes_on_new_rows_and_the_label_stays(by_class):
    embeddings, domains, label = planted()
    others, their_domains, their_label = planted(name="others")
    eraser = fit_eraser(embeddings, domains, labels=label, by_class=by_class)
    erased, new = eraser.apply(embeddings), eraser.apply(others)
    assert probe(embeddings, domains, others, their_domains) > 0.9
    # a probe that is trained on new rows as well
    assert probe(new[:2000], their_domains[:2000], new[2000:], their_domains[2000:]) < 1 / 3 + 0.03
    kept = label_auc(erased, label, new, their_label)
    assert kept > label_auc(embeddings, label, others, their_label) - 0.02
    assert kept > 0.8
    assert 0.1 < eraser.removed_share < 0.9


def test_by_class_keeps_a_label_that_goes_with_the_magnification():
    slight = {"magnifications": MAGNIFICATIONS[:2], "shift": 0.1}
    embeddings, domains, label = planted(confounding=0.9, **slight)
    # new rows in which the two do not go together show what is left of the label itself
    others, _, their_label = planted(name="others", **slight)
    within = fit_eraser(embeddings, domains, labels=label, by_class=True)
    plain = fit_eraser(embeddings, domains)
    kept, lost = (label_auc(each.apply(embeddings), label, each.apply(others), their_label) for each in (within, plain))
    assert kept > 0.8
    assert lost < kept - 0.1
    assert np.abs(cross_covariance(within.apply(embeddings), domains, label)).max() < 1e-9


def test_labels_are_not_looked_at_without_by_class():
    embeddings, domains, label = planted(100, 4)
    with_labels = fit_eraser(embeddings, domains, labels=label).apply(embeddings)
    assert np.array_equal(with_labels, fit_eraser(embeddings, domains).apply(embeddings))


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("shrinkage", [0.0, 0.2])
def test_a_row_that_weighs_two_is_two_rows_and_one_that_weighs_nothing_none(by_class, shrinkage):
    embeddings, domains, label = planted(60, 4)
    domains[:5] = "a magnification that nobody asked for"
    weights = generator_for("weights").integers(0, 4, 60)
    weights[:5] = 0
    repeated = np.repeat(np.arange(60), weights)
    options = {"by_class": by_class, "shrinkage": shrinkage}
    weighted = fit_eraser(embeddings, domains, labels=label, weights=weights, **options)
    written_out = fit_eraser(embeddings[repeated], domains[repeated], labels=label[repeated], **options)
    assert weighted.apply(embeddings) == pytest.approx(written_out.apply(embeddings), abs=1e-9)
    assert weighted.removed_share == pytest.approx(written_out.removed_share)
    assert weighted.rows == (weights > 0).sum()


@pytest.mark.parametrize("shape", [(50, 8), (20, 35)])
def test_the_analytical_shrinkage_is_scikit_learns(shape):
    embeddings, domains, _ = planted(*shape)
    centred = embeddings - embeddings.mean(0)
    expected = ledoit_wolf_shrinkage(centred, assume_centered=True)
    covariances = measure_covariances(embeddings, domains)
    assert covariances.eraser(LEDOIT_WOLF).shrinkage == pytest.approx(expected)
    assert 0 < expected < 1


def test_a_linear_model_of_erased_rows_is_folded_into_one_of_plain_rows():
    embeddings, domains, _ = planted(80, 5)
    eraser = fit_eraser(embeddings, domains, shrinkage=0.1)
    weights, intercept = generator_for("head").normal(size=(5, 2)), np.array([0.3, -2.0])
    plain, offset = eraser.folded(weights, intercept)
    assert embeddings @ plain + offset == pytest.approx(eraser.apply(embeddings) @ weights + intercept)
    one, number = eraser.folded(weights[:, 0], 0.3)
    assert embeddings @ one + number == pytest.approx(embeddings @ plain[:, 0] + offset[0])
    whole = embeddings - embeddings @ eraser.readers @ eraser.directions.T + eraser.offset
    assert whole == pytest.approx(eraser.apply(embeddings))


def test_dimensions_that_do_not_vary_stay_as_they_are_and_change_no_other():
    embeddings, domains, _ = planted(60, 4)
    # float32 rounding of the mean would make them vary
    wider = np.insert(embeddings, [0, 2, 4], np.float32(0.1), axis=1)
    eraser = fit_eraser(wider, domains, shrinkage=0.1)
    erased = eraser.apply(wider)
    assert (np.delete(erased, [1, 2, 3, 4, 5], axis=1)[:, 0] == np.float32(0.1)).all()
    assert erased[:, [1, 2, 4, 5]] == pytest.approx(fit_eraser(embeddings, domains, shrinkage=0.1).apply(embeddings))


def test_rows_that_are_all_alike_have_nothing_to_erase():
    eraser = fit_eraser(np.full((6, 3), 0.7), np.array(["40X", "100X"] * 3))
    assert (eraser.rank, eraser.removed_share) == (0, 0.0)
    assert (eraser.apply(np.ones((2, 3))) == 1).all()


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_a_magnification_with_one_row_is_erased_too(shrinkage):
    embeddings, domains, _ = planted(40, 5)
    domains = np.where(np.arange(40) == 3, "40X", "100X")
    erased = fit_eraser(embeddings, domains, shrinkage=shrinkage).apply(embeddings)
    assert erased[3] == pytest.approx(np.delete(erased, 3, axis=0).mean(0))


def broken(value):
    embeddings = np.ones((6, 2))
    embeddings[2, 1] = value
    return embeddings


ROWS, DOMAINS, LABELS = generator_for("refused").normal(size=(6, 2)), np.array(["40X", "100X"] * 3), np.arange(6) // 3


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((broken(np.nan), DOMAINS), {}, DataError, "finite values, found 1 of 6 rows"),
        ((broken(np.inf), DOMAINS), {}, DataError, "finite"),
        ((ROWS, np.full(6, "40X")), {}, DataError, "two magnifications or more, found 1"),
        ((ROWS, DOMAINS), {"weights": [1, 0] * 3}, DataError, "two magnifications or more, found 1"),
        ((ROWS, DOMAINS), {"weights": np.zeros(6)}, DataError, "two magnifications or more, found 0"),
        ((ROWS, DOMAINS), {"weights": [-1] * 6}, DataError, "weight of 0 or more"),
        ((ROWS, DOMAINS[:5]), {}, DataError, "magnification for each of 6 rows"),
        ((ROWS, np.array([*DOMAINS[:5], None], object)), {}, DataError, "found 1 rows without"),
        ((ROWS[:0], DOMAINS[:0]), {}, DataError, "shape"),
        ((ROWS[0], DOMAINS[:2]), {}, DataError, "shape"),
        ((ROWS, DOMAINS), {"by_class": True}, UsageError, "labels"),
        ((ROWS, DOMAINS), {"by_class": True, "labels": LABELS[:4]}, DataError, "label for each of 6 rows"),
        ((ROWS, DOMAINS), {"by_class": True, "labels": np.arange(6) % 2}, DataError, "share a class"),
        ((ROWS, DOMAINS), {"shrinkage": 1.1}, UsageError, "from 0 to 1"),
        ((ROWS, DOMAINS), {"shrinkage": float("nan")}, UsageError, "from 0 to 1"),
        ((ROWS, DOMAINS), {"shrinkage": "oracle"}, UsageError, "from 0 to 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        fit_eraser(*arguments, **options)


def test_rows_of_another_encoder_are_refused():
    with pytest.raises(DataError, match="length 2, found length 3"):
        fit_eraser(ROWS, DOMAINS).apply(np.ones((1, 3)))
