"""Asking for help is quick: it loads no network library, no data frames and no validation."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "pandas", "pydantic", "scipy", "pyarrow", "PIL")

CODE = """
import json, sys
from magsig_tf.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""

COMMANDS = (
    "prepare",
    "train",
    "evaluate",
    "compare",
    "claims",
    "augmentation",
    "reproduce",
    "plugins",
    "gan",
    "signatures",
    "probe",
    "report",
    "export",
    "explain",
    "predict",
)


def modules_loaded_by(*words: str) -> tuple[str, int, set[str]]:
    """Return what `magsig WORDS` prints, its exit code and the top-level modules it loaded."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.strip().splitlines()[-1])
    return done.stdout, code, set(modules)


def test_help_loads_nothing_heavy_and_lists_the_commands():
    text, code, modules = modules_loaded_by("--help")
    assert code == 0
    assert not modules & set(HEAVY)
    for command in COMMANDS:
        assert f"\n  {command} " in text
    assert "broken" not in text


def test_the_version_loads_nothing_heavy():
    from magsig_tf import __version__

    text, code, modules = modules_loaded_by("--version")
    assert (code, text.split()[-1]) == (0, __version__)
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_no_tensorflow(command):
    text, code, modules = modules_loaded_by(command, "--help")
    assert code == 0
    assert text.startswith(f"Usage: magsig {command}")
    assert not modules & {"tensorflow", "keras"}


def test_training_help_lists_every_config_key():
    from magsig_tf.config import Settings

    text, _, _ = modules_loaded_by("train", "--help")
    for key in (*Settings.model_fields, "lambda_max", "domain_updates"):
        assert f"--{key.replace('_', '-')}" in text


def test_training_help_names_every_shipped_config():
    from magsig_tf.cli.train import train
    from magsig_tf.config_files import shipped_configs

    (option,) = [option for option in train.params if "--config" in option.opts]
    assert f"({', '.join(shipped_configs())})" in option.help
