"""Import TensorFlow without its chatter: a machine without a GPU need not be told so in six lines of alarm.

The module itself imports nothing of TensorFlow.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile

_CHATTER = re.compile(rb"cudart_stub|absl::InitializeLog|cuda_platform|cuda drivers|oneDNN|cpu_feature_guard")


def load_tensorflow() -> None:
    """Import TensorFlow and Keras; pass on what they write to standard error, but for lines known to say nothing.

    The environment variable TF_CPP_MIN_LOG_LEVEL, where set, has its usual meaning.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
