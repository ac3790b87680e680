"""Checkpoints, the log and the weight average, by themselves."""

import numpy as np
import pytest

from magsig_tf.errors import MagsigError, RunError
from magsig_tf.execution.evaluated_weights import WeightAverage
from magsig_tf.execution.resumption import read_checkpoint, restore, write_checkpoint
from magsig_tf.execution.run_log import RunLog, read_log


def test_a_checkpoint_returns_what_was_written(tmp_path):
    arrays = {"classifier/0": np.arange(6, dtype=np.float32).reshape(2, 3), "optimizer/0": np.array(7)}
    write_checkpoint(tmp_path / "last.npz", arrays, {"step": 3, "best": None})
    found, meta = read_checkpoint(tmp_path / "last.npz")
    assert meta == {"step": 3, "best": None}
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04broken"])
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path, content):
    (tmp_path / "last.npz").write_bytes(content)
    with pytest.raises(RunError, match="Expected a checkpoint in"):
        read_checkpoint(tmp_path / "last.npz")


def test_a_checkpoint_with_objects_inside_is_refused(tmp_path):
    np.savez(tmp_path / "last.npz", meta_json=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunError):
        read_checkpoint(tmp_path / "last.npz")


def test_variables_of_another_model_are_refused():
    import keras

    variables = {"a": keras.Variable(np.zeros(2))}
    with pytest.raises(RunError, match="do not match: b"):
        restore(variables, {"a": np.zeros(2), "b": np.zeros(2)})
    with pytest.raises(RunError, match="shape"):
        restore(variables, {"a": np.zeros(3)})


def test_a_resumed_log_is_cut_back_to_the_checkpoint(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    for step in (10, 20, 30):
        log.write("train", step, loss=1.0)
    log.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"kind": "tra')
    RunLog(tmp_path / "log.jsonl", resume_step=20).close()
    assert [record["step"] for record in read_log(tmp_path / "log.jsonl")] == [10, 20]


@pytest.mark.parametrize("rest", [b'{"kind": "tr', b"\xff\xfe\x00\x00", b"[]\n", b'{"kind": "train"}\n'])
def test_what_a_crash_left_at_the_end_of_a_log_is_left_out(tmp_path, rest):
    (tmp_path / "log.jsonl").write_bytes(b'{"kind": "train", "step": 3}\n' + rest)
    assert read_log(tmp_path / "log.jsonl") == [{"kind": "train", "step": 3}]


def test_a_full_disk_is_told_by_the_log_in_one_line(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    log._file.close()
    log._file = open("/dev/full", "a")  # noqa: SIM115  a device whose every write fails with ENOSPC
    with pytest.raises(MagsigError, match=r"log\.jsonl, found: No space left on device\. Free space"):
        log.write("train", 1, loss=0.5)
    log.close()


def test_a_number_that_json_lacks_is_written_as_text(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    log.write("train", 1, loss=float("nan"))
    log.close()
    assert read_log(tmp_path / "log.jsonl")[0]["loss"] == "nan"


def test_the_weight_average_follows_by_hand():
    import keras
    import tensorflow as tf

    weight = keras.Variable([0.0])
    average = WeightAverage([weight], decay=0.9)
    expected = 0.0
    for step in range(3):
        weight.assign([float(step + 1)])
        average.update(tf.constant(step))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)
    assert average.averages[0].numpy()[0] == pytest.approx(expected)
