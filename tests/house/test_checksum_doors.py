"""What one command writes and another reads goes through the doors of `magsig_tf.checksums`, each named here.

A new way to read or write a file is added to a list below only if no command reads what another wrote by it.
"""

from __future__ import annotations

import ast

import pytest

from tests.house.test_import_direction import ALLOWED, MODULES, house_of

WRITERS = {
    # what people, browsers and programs of others read, or what is signed with its whole folder when that is finished
    "replacing": {
        *("checksums", "atomic_files", "runs.result_files", "gan.study", "data.preparation.spool"),
        *("data.preparation.copies", "data.embedded.write"),
        *("report.page.report", "report.figures.pictures", "report.figures.base", "serving.predicting.predict"),
        "serving.predicting.predict_embeddings",
    },
    "write_text": {
        *("checksums", "atomic_files", "report.page.report", "serving.card.model_card"),
        *(
            "data.preparation.spool",
            "execution.run_log",
            "serving.exporting.check",
            "cli.configuration_table",
            "data.names_file",
        ),
    },
    "write_json": {
        *("data.preparation.spool", "data.preparation.write", "data.embedded.write"),
        *("serving.predicting.marked_rows", "training.embedding"),
        *("serving.exporting.export", "testing.tiny_data"),
    },
    "to_parquet": {"parquet_files", "testing.tiny_data"},
    "save": {
        *("gan.study", "gan.train", "gan.pictures", "training.outputs", "testing.tiny_data"),
        *("serving.exporting.export", "serving.exporting.served_model", "report.page.material"),
    },
    "savez": {"training.head_start", "training.outputs", "execution.resumption", "serving.exporting.fresh_process"},
}
"""Calls that write a file, and the modules that may."""
READERS = {
    # signed files are read by `read_signed_json`; these are marks of an unfinished `predict`, and exports, whose tree
    # is verified as a whole
    "read_json": {*("checksums", "serving.predicting.marked_rows", "serving.exported_model", "workflows.exporting")}
    | {"serving.model_description"}
    | {"training.embedding"},
    # verified by the same module before, or files of users
    "read_text": {
        *("evaluation.claims.paper", "report.page.report", "report.figures.pictures", "report.figures.curves"),
        *("execution.run_log", "cli.configuration_table"),
    },
    "read_bytes": {
        *("report.page.report", "serving.exporting.check", "serving.saved_model_check", "execution.run_log")
    },
}
"""Calls that read a file without looking at its checksum, and the modules that may."""
READ_ARTEFACTS = {*ALLOWED} - {"root", "data", "models", "configs"}
"""Folders whose modules read what commands wrote; the others read texts and bytes of users and of the package, and
artefacts by the doors above alone."""
NUMPY_WITHOUT = {
    *("serving.exporting.check", "serving.exporting.fresh_process", "data.preparation.copies", "data.embedded.write"),
    "training.embedding",
}
"""Modules that read arrays which the same command wrote a moment ago and has not signed."""


def short(module: str) -> str:
    return module.removeprefix("magsig_tf.")


def calls_of(module: str) -> list[tuple[str, ast.Call]]:
    calls = [
        node for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    return [(ast.unparse(call.func).split(".")[-1], call) for call in calls]


@pytest.mark.parametrize("module", MODULES)
def test_files_are_written_and_read_by_the_doors_that_are_named(module):
    for called, call in calls_of(module):
        for doors in (WRITERS, READERS):
            of_users = called in ("read_text", "read_bytes") and house_of(module) not in READ_ARTEFACTS
            if called in doors and not of_users:
                assert short(module) in doors[called], f"{module} calls {ast.unparse(call)[:80]}"


@pytest.mark.parametrize("module", MODULES)
def test_arrays_are_verified_before_they_are_read(module):
    for called, call in calls_of(module):
        if (
            called == "load"
            and ast.unparse(call.func).startswith(("np.", "numpy."))
            and short(module) not in NUMPY_WITHOUT
        ):
            assert ast.unparse(call.args[0]).startswith("verified("), f"{module} reads {ast.unparse(call)[:80]}"


def test_no_door_is_named_that_is_not_there():
    named = {(called, module) for doors in (WRITERS, READERS) for called in doors for module in doors[called]}
    found = {(called, short(module)) for module in MODULES for called, _ in calls_of(module)}
    assert named - found == set()
