"""An observer that interrupts a run as a user does."""

import os
import signal

from magsig_tf.execution.observer import Observer


class Stopping(Observer):
    """Sends SIGINT after some steps.

    Args:
        step: The global step; 0 never stops.
    """

    def __init__(self, step: int):
        self.step = step

    def step_done(self, step):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)
