"""Builds the legs behind the listener; rooms that only one of them needs are imported with it."""

import os
from collections.abc import Sequence
from contextlib import ExitStack

from node.app.house import House, peers_of, routes_of
from node.rules.retrying import Persistence
from node.rules.settling import Patience


def furnish(house: House, legs: Sequence[str], stack: ExitStack) -> None:
    """Build the wanted legs, all but the first."""
    if "settle" in legs:
        _furnish_settle(house)
    if "infer" in legs:
        _furnish_infer(house, stack)
    if "deliver" in legs:
        _furnish_deliver(house)
    if "confirm" in legs:
        _furnish_confirm(house)
    if "sweep" in legs:
        _furnish_sweep(house)


def _furnish_settle(house: House) -> None:
    from node.bundles.shelf import Shelf
    from node.stages.counting import PacsCount
    from node.stages.settle import Settle

    shelf = Shelf(house.config.models.dir)
    settling = house.config.settling
    patience = Patience(
        quiet=settling.quiet_seconds,
        open_quiet=settling.open_association_quiet_seconds,
        aborted_quiet=settling.aborted_association_quiet_seconds,
        sure=settling.complete_seconds,
        open_sure=settling.complete_open_association_seconds,
        counted=settling.pacs_count_seconds,
        incomplete=settling.incomplete_seconds,
        shortest=settling.shortest_seconds,
    )
    counts = PacsCount(
        peers_of(house.config),
        house.config.node.ae_title,
        house.clock,
        house.bells["settle"],
        house.security,
    )
    house.legs.append(
        Settle(
            house.rooms,
            routes_of(house.config),
            patience,
            bundle_hash=shelf.recorded_hash,
            infer=house.bells["infer"],
            pacs=counts,
        )
    )


def _furnish_infer(house: House, stack: ExitStack) -> None:
    from node.bundles.runner import Runner
    from node.bundles.shelf import Shelf
    from node.stages.infer import Infer, Limits, clear_left_work

    clear_left_work(house.rooms)
    models = house.config.models
    runner = Runner(threads=models.threads or os.cpu_count() or 1, environment=_accelerator())
    stack.callback(runner.close)
    house.legs.append(
        Infer(
            house.rooms,
            Shelf(models.dir),
            runner,
            Limits(
                timeout_seconds=models.timeout_seconds,
                attempts=models.attempts,
                warm=house.config.routes[0].model if house.config.routes else None,
                routes={route.name: route for route in routes_of(house.config)},
            ),
            deliver=house.bells["deliver"],
        )
    )


def _furnish_deliver(house: House) -> None:
    from node.stages.deliver import Deliver

    wish = house.config.delivery
    house.legs.append(
        Deliver(
            house.rooms,
            house.config.node.ae_title,
            peers_of(house.config),
            Persistence(
                first=wish.retry_first_seconds,
                longest=wish.retry_longest_seconds,
                give_up=wish.give_up_hours * 3600.0,
            ),
            own=house.bells["deliver"],
            tls=house.security,
        )
    )


def _furnish_confirm(house: House) -> None:
    from node.stages.confirm import Confirm

    settings = house.config.node
    peers = peers_of(house.config)
    house.legs.append(Confirm(house.rooms, settings.ae_title, peers, house.security))


def _furnish_sweep(house: House) -> None:
    from node.stages.sweep import Retention, Sweep

    wish = house.config.retention
    retention = Retention(wish.instances_hours, wish.results_hours)
    house.legs.append(Sweep(house.rooms, retention))


def _accelerator() -> dict[str, str]:
    """Give the model's process what says which accelerator it may use, and nothing else of ours."""
    names = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ}  # noqa: TID251
