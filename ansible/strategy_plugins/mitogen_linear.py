"""Mitogen's strategy under the name that ANSIBLE_STRATEGY expects, wherever Python has installed it."""

from ansible_mitogen import affinity
from ansible_mitogen.plugins.strategy.mitogen_linear import StrategyModule

__all__ = ["StrategyModule"]

# On two cores Mitogen's own policy puts everything but the connections on one of them.
affinity.policy = affinity.Policy()
