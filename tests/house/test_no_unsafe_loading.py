"""Nothing in magsig runs what a file says: no pickle, no eval, and files are opened by the doors made for them."""

from __future__ import annotations

import ast

import pytest

from tests.house.test_import_direction import MODULES, ROOT, imported_by

UNPICKLER = "magsig_tf.models.torch_legacy"
PICKLING = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "torch"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
DOORS = {
    "keras.saving.load_model": {"magsig_tf.models.saved_model"},
    "keras.models.load_model": set(),
    # the second opens, in a process of its own, what the same command has written a moment ago
    "tf.saved_model.load": {"magsig_tf.serving.exported_model", "magsig_tf.serving.exporting.fresh_process"},
    "yaml.load": {"magsig_tf.config_files"},
    "keras.config.enable_unsafe_deserialization": set(),
    "pd.read_pickle": set(),
    # memory maps of .npy files; NPZ files have a reader that bounds what it expands
    "np.load": {
        "magsig_tf.data.embedded.write",
        "magsig_tf.data.prepared",
        "magsig_tf.data.preparation.copies",
        "magsig_tf.gan.fold",
        "magsig_tf.training.embedding",
        "magsig_tf.serving.exporting.fresh_process",
    },
    "numpy.load": set(),
    # runs nothing, but leaves threads that can abort a process at its end
    "pd.read_parquet": set(),
    "pandas.read_parquet": set(),
    "pq.read_table": set(),
    "pyarrow.parquet.read_table": set(),
    "pyarrow.parquet.ParquetFile": {"magsig_tf.parquet_files"},
    "pq.ParquetFile": set(),
}
BENCHMARKS = {f"benchmarks.{path.stem}": path for path in sorted((ROOT / "benchmarks").glob("*.py"))}
EVERY = MODULES | BENCHMARKS


def unsafe(name: str, tree: ast.Module) -> list[str]:
    """Return what a module does that could run code from a file."""
    found = [
        f"imports {imported}"
        for _, imported in imported_by(name, ast.walk(tree))
        if imported.split(".")[0] in PICKLING and name != UNPICKLER
    ]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if called in BUILTINS:
            found.append(f"calls {called}")
        if name not in DOORS.get(called, {name}):
            found.append(f"calls {called}")
        if (
            called.split(".")[-1] == "load"
            and called.startswith(("np.", "numpy."))
            and given.get("allow_pickle") != "False"
        ):
            found.append("np.load without allow_pickle=False")
        if called.endswith("load_model") and given.get("safe_mode") != "True":
            found.append("load_model without safe_mode=True")
        if given.get("allow_pickle") == "True" or given.get("shell") == "True":
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize("name", EVERY)
def test_a_module_runs_nothing_that_a_file_says(name):
    assert unsafe(name, ast.parse(EVERY[name].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import torch",
        "eval(text)",
        "exec(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "keras.models.load_model(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "tf.saved_model.load(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "pd.read_pickle(path)",
        "pd.read_parquet(path)",
        "pyarrow.parquet.ParquetFile(path)",
        "subprocess.run(words, shell=True)",
    ],
)
def test_what_is_looked_for_is_found(code):
    assert unsafe("magsig_tf.data.made_up", ast.parse(code))


def test_the_doors_are_still_there():
    for called, modules in DOORS.items():
        for name in modules:
            assert called in EVERY[name].read_text(encoding="utf-8")
