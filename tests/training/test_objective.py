"""What a step may do once it does once, however often a method evaluates its objective."""

import numpy as np
import pytest

from magsig_tf.execution.resumption import snapshot
from magsig_tf.methods.contract import Method
from magsig_tf.methods.gan import GanMethod
from magsig_tf.methods.grl import GradientReversalMethod
from magsig_tf.testing import MethodTrial

HARD = {"encoder": "magsig_tf.models.encoders.small_cnn:build_with_dropout"}


class Repeating(GradientReversalMethod):
    """Gradient reversal whose objective is evaluated three times, once at other weights; the last one counts."""

    def gradients(self, objective, variables):
        first, _ = objective()
        objective(moved_by=[100.0 * gradient for gradient in first])
        again, logs = objective()
        logs["apart"] = self.differences(first, again)
        return again, logs

    def differences(self, first, again):
        import tensorflow as tf

        return tf.add_n([tf.reduce_sum(tf.abs(a - b)) for a, b in zip(first, again, strict=True)])


class Passing(Method):
    """Sends the step's own pixels and embedding through the network again."""

    def loss(self, step):
        import tensorflow as tf

        embedding, logits = step.forward(step.pixels)
        first, second = self.drawn(), self.drawn()
        step.forward(step.pixels / 2)
        loss, logs = super().loss(step)
        logs["embedding_apart"] = tf.reduce_sum(tf.abs(embedding - step.embedding))
        logs["logits_apart"] = tf.reduce_sum(tf.abs(logits - step.logits))
        logs["head_apart"] = tf.reduce_sum(tf.abs(step.head(step.embedding) - step.logits))
        logs["draws_apart"] = tf.abs(first - second) + tf.abs(self.drawn() - second)
        return loss, logs

    def drawn(self):
        import keras

        return keras.random.uniform((), seed=self.random)


class PassingGan(Passing, GanMethod):
    """The same, on batches of which some images are synthetic and normalised apart."""

    Options = GanMethod.Options


class Remembering(Method):
    """Counts in an array how often its loss was evaluated, and evaluates it twice a step."""

    def build(self):
        import keras

        self.state["counts"] = keras.Variable(np.zeros(3, np.float32), trainable=False)
        self.state["rate"] = keras.Variable(0.5, trainable=False)

    def loss(self, step):
        self.state["counts"].assign_add([1.0, 2.0, 3.0])
        return super().loss(step)

    def gradients(self, objective, variables):
        objective()
        return objective()


@pytest.fixture
def trial_of(tmp_path):
    return lambda method, **options: MethodTrial(f"tests.training.test_objective:{method}", tmp_path, **options)


@pytest.mark.parametrize("strategy", ["one", pytest.param("mirrored", marks=pytest.mark.slow)])
def test_a_repeated_pass_drops_the_same_units_and_leaves_statistics_and_networks_alone(trial_of, strategy):
    trial = trial_of("Repeating", **HARD, strategy=strategy, domain_updates=2)
    repeated, logs = trial.trained(1)
    once, logs_once = trial.trained(1, method="grl")
    assert logs[0].pop("apart") == 0
    assert logs[0] == logs_once[0]
    a, b = snapshot(repeated.variables()), snapshot(once.variables())
    assert a.keys() == b.keys()
    odd = [name for name in a if not np.array_equal(a[name], b[name])]
    assert not odd


@pytest.mark.parametrize("method", ["Passing", "PassingGan"])
def test_every_pass_of_a_step_has_the_mask_of_the_first_and_no_other_moves_statistics(trial_of, method):
    trial = trial_of(method, **HARD)
    parts, logs = trial.trained(2)
    plain, _ = trial.trained(2, method="gan" if method == "PassingGan" else "baseline")
    for record in logs:
        assert record["embedding_apart"] == record["logits_apart"] == record["head_apart"] == 0
        assert record["draws_apart"] > 0
    a, b = snapshot(parts.variables()), snapshot(plain.variables())
    np.testing.assert_equal({name: b[name] for name in b}, {name: a[name] for name in b})


def test_array_state_is_kept_in_checkpoints_and_out_of_logs_and_a_repeated_pass_leaves_it_alone(trial_of):
    trial = trial_of("Remembering")
    parts, _ = trial.trained(3)
    assert snapshot(parts.variables())["state/counts"].tolist() == [3, 6, 9]
    run, record = trial.finished
    log = (run.folder / "log.jsonl").read_text()
    assert '"rate": 0.5' in log
    assert "counts" not in log
    assert record["chosen"]["state"] == {"rate": 0.5}


def test_a_method_that_never_evaluates_its_objective_is_told_so(trial_of):
    with pytest.raises(ValueError, match="must evaluate the objective"):
        trial_of("Lazy").trained(1)


class Lazy(Method):
    """Makes gradients up."""

    def gradients(self, objective, variables):
        import tensorflow as tf

        return [tf.zeros(variable.shape) for variable in variables], {}


class Paired(Method):
    """Asks for pairs, and logs the share of neighbours in the batch that are of one case at other magnifications."""

    @classmethod
    def pairs_cases(cls, options):
        return True

    def loss(self, step):
        import tensorflow as tf

        cases, domains = (tf.reshape(step.gather(each), [-1, 3]) for each in (step.cases, step.domains))
        same = tf.reduce_all(cases == cases[:, :1], axis=1)
        others = tf.reduce_all(tf.sort(domains, axis=1) == tf.range(3), axis=1)
        loss, logs = super().loss(step)
        return loss, logs | {"paired": step.share(tf.reduce_mean(tf.cast(same & others, tf.float32)))}


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_a_method_can_have_images_of_one_case_side_by_side(trial_of, strategy):
    _, logs = trial_of("Paired", strategy=strategy).trained(2)
    assert [record["paired"] for record in logs] == [1, 1]
