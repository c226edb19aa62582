"""Mitogen's strategy under the name that ANSIBLE_STRATEGY expects, wherever Python has installed it."""

from ansible_mitogen.plugins.strategy.mitogen_linear import StrategyModule

__all__ = ["StrategyModule"]
