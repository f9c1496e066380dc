"""Builds shelf and runner as the configuration wants them, for the infer leg and for the verbs."""

import os

from node.bundles import cards, interpreters
from node.bundles.allowing import Allowance, Allowances
from node.bundles.runner import Runner
from node.bundles.shelf import Shelf
from node.bundles.ways import Wish, Wishes
from node.config import Config


def shelf_of(config: Config) -> Shelf:
    """Open the shelf; it need not exist yet."""
    models = config.models
    interpreters.use(models.python)
    of_each = {
        name: Wish(one.engine or models.engine, one.precision or models.precision)
        for name, one in models.by_name.items()
    }
    wishes = Wishes(Wish(models.engine, models.precision), of_each)
    return Shelf(models.dir, wishes=wishes)


def runner_of(config: Config) -> Runner:
    """Prepare a runner; it starts nothing before it is asked."""
    models = config.models
    interpreters.use(models.python)
    of_each = {
        name: Allowance(
            models.memory_mb if one.memory_mb is None else one.memory_mb,
            models.fall_back_to_cpu if one.fall_back_to_cpu is None else one.fall_back_to_cpu,
        )
        for name, one in models.by_name.items()
    }
    general = Allowance(models.memory_mb, models.fall_back_to_cpu)
    return Runner(
        threads_of(config),
        environment=cards.variables(),
        allowances=Allowances(models.warm_mb, general, of_each),
    )


def threads_of(config: Config) -> int:
    """Say how many CPU threads a model may use."""
    return config.models.threads or os.cpu_count() or 1


def timeouts_of(config: Config) -> dict[str, float]:
    """Say how long single models may take that have a time of their own."""
    of_each = config.models.by_name.items()
    return {name: one.timeout_seconds for name, one in of_each if one.timeout_seconds is not None}
