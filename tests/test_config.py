"""What a user may set, how a slip is answered, and what makes two runs the same run."""

from __future__ import annotations

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from magsig_tf.config import AXES, BEFORE_RECIPES, RECIPE, RECIPE_KEYS, RECIPES, Settings
from magsig_tf.config_files import build_config, load_config, parse_assignments, read_config_file, shipped_configs
from magsig_tf.errors import UsageError

AXIS_VALUES = {"dataset": "other", "method": ["grl"], "holdout": ["40X"], "patient_fold": [3], "seed": [9]}
# another valid value for every key that changes what a run computes
OTHER = {
    "magnifications": ["100X", "200X"],
    "folds": 4,
    "split_seed": 1,
    "group_by": "slide",
    "selection": "oracle",
    "select_from": 0.5,
    "encoder": "small_cnn",
    "weights": "none",
    "synchronized_batch_norm": True,
    "dropout": 0.1,
    "freeze_until": "block4",
    "batch_statistics": "frozen",
    "epochs": 3,
    "images_per_magnification": 8,
    "recipe": next(name for name in RECIPES if name != RECIPE),
    "head_start": "linear",
    "encoder_rate": 0.7,
    "average_from": 0.8,
    "learning_rate": 0.01,
    "head_learning_rate": 0.01,
    "weight_decay": 0.0,
    "warmup": 0.0,
    "label_smoothing": 0.1,
    "clip_norm": 0.0,
    "ema": 0.9,
    "early_stop": 2,
    "augment": [],
    "precision": "mixed_bfloat16",
    "strategy": "one",
    "virtual_replicas": 2,
}
OPERATIONAL = {
    "inference_batch": 8,
    "threads": 1,
    "deterministic": False,
    "log_every": 1,
    "checkpoint_every": 7,
    "tensorboard": False,
    "equivalence_margin": 0.05,
}


def run_config(**raw):
    axes = {"dataset": "d", "method": "baseline", "holdout": "400X", "patient_fold": 0, "seed": 0}
    return build_config(raw).for_run(**axes)


def test_every_key_is_an_axis_or_counts_or_is_operational():
    assert set(Settings.model_fields) == set(AXES) | set(OTHER) | set(OPERATIONAL)
    assert set(RECIPE_KEYS) < set(OTHER)


def test_defaults_are_valid_and_whole():
    config = build_config({})
    assert build_config(config.flat()).flat() == config.flat()
    assert config.settings.method == ["baseline"]


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_is_valid(name):
    config = load_config(name)
    assert config.settings.method
    for key, value in read_config_file(name).items():
        found = config.flat().get(key, value)
        assert found == value or found == [value] or (key == "patient_fold" and value == "all")


def test_the_shipped_ones_are_there():
    assert {"baseline", "demo", "grl", "paper"} <= set(shipped_configs())
    paper = load_config("paper").settings
    assert (paper.encoder, paper.patient_fold, paper.seed) == ("resnet50", ["all"], [0, 1, 2])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"epoch": 3}, "found 'epoch'. Did you mean 'epochs'"),
        ({"lamda_max": 3}, "Did you mean 'lambda_max'"),
        ({"method": "glr"}, "Did you mean 'grl'"),
        ({"epochs": 0}, "Expected a valid value of epochs, found 0"),
        ({"epochs": "many"}, "found 'many'"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"freeze_batch_statistics": True}, "Write batch_statistics: frozen"),
        ({"freeze_batch_statistics": False}, "Write batch_statistics: reestimated"),
        ({"precision": "float16"}, "precision"),
        ({"method": "grl", "lambda_max": -1}, "lambda_max"),
        ({"patient_fold": "some"}, "patient_fold"),
        ({"patient_fold": "0..99999999999"}, "'0..99999999999' is no range of 1 to 50 folds"),
        ({"patient_fold": "4..0"}, "'4..0' is no range"),
        ({"method": []}, "Expected a valid value of method, found []: List should have at least 1 item"),
        ({"holdout": []}, "of holdout, found []"),
        ({"seed": []}, "of seed, found []"),
        ({"patient_fold": []}, "of patient_fold, found []"),
        ({"magnifications": []}, "of magnifications, found []"),
        ({"learning_rate": float("inf")}, "of learning_rate, found inf"),
        ({"method": "grl", "lambda_max": float("nan")}, "of lambda_max, found nan"),
        ({"threads": 10**9}, "of threads"),
        ({"epochs": ["x"] * 1000}, "of epochs, found ['x', 'x'"),
    ],
)
def test_a_slip_is_answered_in_one_sentence_each(raw, said):
    with pytest.raises(UsageError) as caught:
        build_config(raw)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_named_twice_is_meant_once():
    twice = {"method": ["grl", "grl"], "holdout": ["40X", "40X"], "seed": [1, 0, 1], "patient_fold": ["0..2", 1]}
    settings = build_config(twice | {"magnifications": ["40X", "100X", "40X"]}).settings
    assert (settings.method, settings.holdout, settings.seed) == (["grl"], ["40X"], [1, 0])
    assert (settings.patient_fold, settings.magnifications) == ([0, 1, 2], ["40X", "100X"])


def test_single_values_and_ranges_become_lists():
    settings = build_config({"method": "grl", "holdout": "400X", "seed": 3, "patient_fold": "0..4"}).settings
    assert (settings.method, settings.holdout, settings.seed) == (["grl"], ["400X"], [3])
    assert settings.patient_fold == [0, 1, 2, 3, 4]


def test_one_file_serves_methods_with_and_without_an_option():
    raw = {"method": "baseline", "lambda_max": 0.3}
    assert "lambda_max" not in build_config(raw).flat()
    assert build_config(raw | {"method": "grl"}).flat()["lambda_max"] == 0.3


@pytest.mark.parametrize("key", AXES)
def test_the_axes_name_the_folder_and_stay_out_of_the_hash(key):
    axes = {"dataset": "d", "method": "grl", "holdout": "400X", "patient_fold": 0, "seed": 0}
    value = AXIS_VALUES[key]
    other = axes | {key: value[0] if isinstance(value, list) else value}
    config = build_config({"method": ["grl", "baseline"]})
    assert config.for_run(**axes).identity_hash() == config.for_run(**other).identity_hash()


@pytest.mark.parametrize("key", OTHER)
def test_what_changes_the_result_changes_the_hash(key):
    assert run_config(**{key: OTHER[key]}).identity_hash() != run_config().identity_hash()


@pytest.mark.parametrize("key", OPERATIONAL)
def test_how_it_is_carried_out_does_not(key):
    assert run_config(**{key: OPERATIONAL[key]}).identity_hash() == run_config().identity_hash()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_gives_values_to_keys_that_are_not_given(recipe):
    given = build_config({"recipe": recipe, "average_from": 0.9}).settings
    assert given.average_from == 0.9
    for key in set(RECIPE_KEYS) - {"average_from"}:
        assert getattr(given, key) == RECIPES[recipe][key]
    other = {"recipe": "strong" if recipe == "plain" else "plain"}
    assert run_config(**other, **RECIPES[recipe]).identity_hash() == run_config(recipe=recipe).identity_hash()


def test_plain_runs_have_the_hash_of_before_there_were_recipes():
    # computed with the version before, of all defaults, and of grl with a shipped config
    assert run_config(recipe="plain").identity_hash() == "ceb7bbc5"
    axes = {"dataset": "d", "method": "grl", "holdout": "400X", "patient_fold": 0, "seed": 0}
    assert load_config("paper", {"recipe": "plain"}).for_run(**axes).identity_hash() == "42c7b886"


def test_a_stored_config_from_before_there_were_recipes_is_plain():
    stored = {
        key: value for key, value in run_config(recipe="plain").flat().items() if key not in {"recipe", *BEFORE_RECIPES}
    }
    config = build_config(stored)
    assert config.settings.recipe == "plain"
    assert config.identity_hash() == run_config(recipe="plain").identity_hash()
    assert build_config({"epochs": 3}).settings.recipe == RECIPE


def test_a_recipe_named_later_sets_the_keys_of_a_file_anew(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(run_config(recipe="strong", early_stop=7).flat()))
    plain = load_config(str(path), {"recipe": "plain"})
    assert plain.identity_hash() == run_config(recipe="plain").identity_hash()
    assert load_config(str(path), {"average_from": 0.9}, {"recipe": "plain"}).settings.average_from == 0.9
    assert load_config(str(path), {"epochs": 9}).settings.early_stop == 7


def test_another_methods_option_does_not_change_the_hash():
    assert run_config(lambda_max=0.3).identity_hash() == run_config().identity_hash()


def test_a_study_is_the_same_in_whatever_order_its_magnifications_are_named():
    first, second = (run_config(magnifications=names) for names in (["40X", "100X"], ["100X", "40X"]))
    assert first.identity_hash() == second.identity_hash() != run_config().identity_hash()


def test_a_weight_file_counts_by_its_content_not_its_path(tmp_path):
    first, copy, other = (tmp_path / name for name in ("a.h5", "b.h5", "c.h5"))
    for path, content in ((first, b"same"), (copy, b"same"), (other, b"else")):
        path.write_bytes(content)
    hashes = [run_config(weights=str(path)).identity_hash() for path in (first, copy, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    first.write_bytes(b"changed")
    assert run_config(weights=str(first)).identity_hash() != hashes[0]


def test_a_stored_config_gives_the_run_again(tmp_path):
    config = run_config(epochs=3, augment=[{"StainJitter": {"strength": 0.1}}], magnifications="100X")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.flat()))
    again = load_config(str(path))
    assert again.flat() == config.flat()
    assert again.identity_hash() == config.identity_hash()


def test_later_sources_win():
    config = load_config("demo", {"epochs": 2, "seed": [1]}, {"epochs": 3})
    assert (config.settings.epochs, config.settings.seed, config.settings.encoder) == (3, [1], "small_cnn")


def test_assignments_are_yaml():
    texts = ["lambda_max=0.3", "early-stop=2", "augment=[]", "deterministic=false", "weights=a=b", "dataset="]
    assert parse_assignments(texts) == {
        "lambda_max": 0.3,
        "early_stop": 2,
        "augment": [],
        "deterministic": False,
        "weights": "a=b",
        "dataset": None,
    }


@pytest.mark.parametrize("text", ["epochs", "=3", "augment=[", "augment=" + "[" * 1000])
def test_an_assignment_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        parse_assignments([text])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- a\n- b\n", "found a list"),
        ("epochs: [\n", "Expected YAML"),
        ("1: 2\n", "key: value"),
        ("epochs: 3\nepoch: 4\n", "Did you mean"),
        ("!!python/object/apply:os.system ['true']\n", "Expected YAML"),
    ],
)
def test_a_config_file_that_is_none_is_refused(tmp_path, content, said):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        load_config(str(path))


def test_an_unknown_config_offers_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'paper'"):
        load_config("papr")
    path = tmp_path / "own.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="readable text"):
        load_config(str(path))


def test_an_empty_file_means_the_defaults(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("# nothing\n")
    assert load_config(str(path)).flat() == build_config({}).flat()


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=5) | st.none(), max_size=3))
def test_any_mapping_is_a_config_or_a_usage_error(raw):
    with contextlib.suppress(UsageError):
        build_config(raw)
