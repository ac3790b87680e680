"""Import TensorFlow with the switches that must be set before: fast CPU kernels, no chatter.

The module itself imports nothing of TensorFlow.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile

from magsig_tf.parallel_work import require_address_space

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow switches oneDNN on by itself only on some processors; on others a step took 3.5 times as long without
    # (docs/decisions/010-onednn-everywhere.md)
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
LEAST_MEMORY = 5 * 2**29
"""Bytes of address space that TensorFlow needs to start: with 1.6 GB its libraries could not be loaded, with 2 GB they
could (two cores)."""
_CHATTER = re.compile(rb"cudart_stub|absl::InitializeLog|cuda_platform|cuda drivers|oneDNN|cpu_feature_guard")


def load_tensorflow() -> None:
    """Import TensorFlow and Keras; pass on what they write to standard error, but for lines known to say nothing.

    A machine without a GPU is not told so in six lines of alarm. Variables of `ENVIRONMENT` that are set keep their
    value.

    Raises:
        MagsigError: `ulimit -v` allows too little memory.
    """
    if "tensorflow" in sys.modules:
        return
    require_address_space(LEAST_MEMORY, 64 * 2**20)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.stderr.flush()
    kept = os.dup(2)
    # the lines come from C++ before any logging is set up: only the file descriptor can hold them back
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            for line in said:
                if not _CHATTER.search(line):
                    os.write(2, line)
