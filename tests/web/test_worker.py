"""A worker obeys signals whenever they come."""

import subprocess
import sys

from tests.running import REPOSITORY

# A worker as gunicorn makes it, which is told to end before its event loop runs.
BEGINNING = """
import os, signal, uvloop
from gateway.web.worker import Worker

worker = Worker.__new__(Worker)
worker.loop = uvloop.new_event_loop()
worker.init_signals()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_worker_that_begins_is_ended_by_sigterm():
    """A signal that comes before the event loop runs is not lost."""
    command = [sys.executable, "-c", f"{BEGINNING}worker.loop.close()"]
    ended = subprocess.run(command, cwd=REPOSITORY, timeout=60, check=False)

    assert ended.returncode == -15
