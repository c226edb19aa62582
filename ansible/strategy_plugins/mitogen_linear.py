"""Mitogen's strategy under the name that ANSIBLE_STRATEGY expects, wherever Python has installed it."""

import gc

from ansible_mitogen import affinity
from ansible_mitogen.plugins.strategy.mitogen_linear import StrategyModule

__all__ = ["StrategyModule"]

# On two cores Mitogen's own policy puts everything but the connections on one of them.
affinity.policy = affinity.Policy()

# Ansible forks a process for each task and machine. Searching all that it inherits for cycles would take an eighth of
# a run's processor time; without it, a run needs some 10 MB more.
gc.freeze()
gc.disable()
