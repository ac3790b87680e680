"""A plugin's exception ends its run, names the plugin, and the other runs go on."""

import json
import re

import numpy as np
import pytest

from magsig_tf.config_files import build_config
from magsig_tf.data.splits import split_of
from magsig_tf.errors import UsageError
from magsig_tf.execution.observer import Observer
from magsig_tf.registry import PluginError
from magsig_tf.testing import MethodTrial
from magsig_tf.training.planning import missing_prerequisites, plan_matrix
from magsig_tf.training.run import execute, execute_matrix
from magsig_tf.workspace import Workspace
from tests.tiny import tiny_config, tiny_dataset

HERE = "tests.training.faulty_plugin"


def matrix(tmp_path, *methods, **changes):
    workspace = Workspace(tmp_path)
    prepared = tiny_dataset(workspace)
    return plan_matrix(tiny_config(method=list(methods), **changes), prepared, workspace), prepared


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("FailingNeeds", "KeyError in .*faulty_plugin.py, line 12: 'what it needs'"),
        ("FailingBuild", "AttributeError in .*faulty_plugin.py, line 17: no such head"),
        ("FailingLoss", "ValueError in .*faulty_plugin.py, line 22: shapes do not match"),
        ("FailingGraph", "InvalidArgumentError in .*faulty_plugin.py"),
        ("FailingAdapt", "ZeroDivisionError in .*faulty_plugin.py, line 34: division by zero"),
        ("FailingLayers", "Expected `network` of the method FailingLayers to return the classifier"),
    ],
)
def test_the_run_fails_by_itself_and_the_plugin_is_named(tmp_path, name, found):
    runs, prepared = matrix(tmp_path, f"{HERE}:{name}", "baseline", epochs=1 if name != "FailingGraph" else 2)
    assert missing_prerequisites(runs, prepared) == []
    outcome = execute_matrix(runs, prepared, Observer())
    assert [run.config.settings.method for run in outcome.done] == [["baseline"]]
    ((failed, said),) = outcome.failed
    assert failed is runs[0]

    assert re.search(found, said), said
    if name != "FailingLayers":
        assert f"Expected the method '{HERE}:{name}' to work" in said
        assert "not in magsig" in said
    record = json.loads((failed.folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "faulty_plugin" in record["error"] or name in record["error"]


def test_an_encoder_of_a_plugin_is_named_too(tmp_path):
    runs, prepared = matrix(tmp_path, "baseline", encoder=f"{HERE}:NotAMethod")
    with pytest.raises(UsageError, match=f"Expected the encoder {HERE}:NotAMethod to build"):
        execute_matrix(runs, prepared, Observer())


def test_an_error_of_magsig_itself_is_not_laid_at_a_plugins_door(tmp_path):
    class Faulty(Observer):
        def step_done(self, step):
            raise LookupError("a fault of ours")

    runs, prepared = matrix(tmp_path, "baseline", epochs=1)
    with pytest.raises(LookupError, match="a fault of ours"):
        execute_matrix(runs, prepared, Faulty())


def test_an_option_without_a_default_is_no_fault_of_the_defaults_for_embeddings(monkeypatch):
    import sys
    import types

    from pydantic import Field

    from magsig_tf.methods.contract import Method, MethodOptions

    options = type("O", (MethodOptions,), {"__annotations__": {"must": float}, "must": Field(description="given")})
    module = types.ModuleType(f"{HERE}_must")
    module.Must = type("Must", (Method,), {"Options": options})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert build_config({"method": f"{HERE}_must:Must", "must": 2}).options[f"{HERE}_must:Must"].must == 2.0
    with pytest.raises(UsageError, match="Expected a valid value of must"):
        build_config({"method": f"{HERE}_must:Must"})


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (f"{HERE}:NotAMethod", UsageError, "Expected a method class at"),
        (f"{HERE}:Absent", UsageError, "Expected a method class at .*found AttributeError"),
        ("no.such:Method", UsageError, "Expected a method class at no.such:Method, found ModuleNotFoundError"),
        (f"{HERE}_clash:Clash", PluginError, "'epochs', which is a general setting"),
        (f"{HERE}_clash:Misspelt", PluginError, "defaults for embeddings that the method .* can have, found weigth"),
    ],
)
def test_a_name_that_stands_for_no_method_is_refused(name, error, said, monkeypatch):
    import sys
    import types

    from pydantic import Field

    from magsig_tf.methods.contract import Method, MethodOptions

    options = type("O", (MethodOptions,), {"__annotations__": {"epochs": int}, "epochs": Field(1)})
    clash = types.ModuleType(f"{HERE}_clash")
    clash.Clash = type("Clash", (Method,), {"Options": options})
    misspelt = type("O", (MethodOptions,), {"FOR_EMBEDDINGS": {"weigth": 2.0}})
    clash.Misspelt = type("Misspelt", (Method,), {"Options": misspelt})
    monkeypatch.setitem(sys.modules, clash.__name__, clash)
    with pytest.raises(error, match=said):
        build_config({"method": name})


def test_a_method_by_import_path_takes_its_options_from_the_config(tmp_path):
    config = build_config({"method": "tests.methods.throw_away.sam:Sam", "sam_radius": 0.1, "dataset": "tiny"})
    assert config.options["tests.methods.throw_away.sam:Sam"].sam_radius == 0.1
    assert config.flat()["sam_radius"] == 0.1
    with pytest.raises(UsageError, match="found 'sam_radius'"):
        build_config({"method": "baseline", "sam_radius": 0.1})
    runs, _ = matrix(tmp_path, "tests.methods.throw_away.sam:Sam")
    assert runs[0].folder.parts[-3] == "tests.methods.throw_away.sam%3ASam"


def test_a_run_adapts_to_held_out_images_of_validation_cases_and_says_so(tmp_path):
    trial = MethodTrial(f"{HERE}:Adapting", tmp_path)
    (adapted, record), plain = trial.finished, trial.run(trial.config(method="baseline"), trial.prepared)
    rows = split_of(adapted.config, trial.prepared).rows
    assert record["adapted"] == {
        part: len(rows[name])
        for part, name in (("train", "train"), ("validation", "validation"), ("held_out", "validation_holdout"))
    }
    assert "adapted" not in execute(plain, trial.prepared, Observer()).as_json()
    model = trial.model(adapted)
    encoder = model.get_layer("encoder")
    pixels = trial.prepared.images[rows["validation_holdout"]].astype(np.float32)
    first = encoder.get_layer("conv0")(encoder.get_layer("preprocessing")(pixels))
    np.testing.assert_allclose(
        encoder.get_layer("norm0").moving_mean.numpy(), first.numpy().mean(axis=(0, 1, 2)), rtol=0.05, atol=0.01
    )
