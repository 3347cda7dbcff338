"""What all tests share: where the helpers are, and the loopback registry's fixtures."""

import gc
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
# scripts/ holds the loopback registry, which benchmarks and tests share
for folder in (TESTS, TESTS.parent / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from support.entries import store  # noqa: E402, F401
from support.registry import certificate, free_port, registry  # noqa: E402, F401
from support.signalled import signalled_children  # noqa: E402, F401

# the tests may have been started by nohup, or in the background of a script, where a shell has these ignored; and what
# they start would pass them over, too
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)

# on a machine that has other work nothing is slow by itself
settings.register_profile(
    "pmpipe", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("pmpipe")

# some hundred thousand objects of collected tests stay to the end: no use in looking for garbage among them, neither
# while they are made nor after each thousand of new objects
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
