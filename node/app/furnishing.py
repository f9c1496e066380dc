"""Builds the legs behind the listener; rooms that only one of them needs are imported with it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from node.app.house import House, peers_of, routes_of
from node.rules.retrying import Persistence
from node.rules.settling import Patience
from node.stages.turning import Leg

if TYPE_CHECKING:
    from node.bundles.runner import Runner
    from node.bundles.shelf import Shelf
    from node.stages.desk import Desk


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
    from node.bundles import interpreters
    from node.bundles.shelf import Shelf
    from node.stages.counting import PacsCount
    from node.stages.settle import Settle

    interpreters.use(house.config.models.python)
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
        unknown=settling.unknown_sender_seconds,
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
    from node.app.hosting import runner_of, shelf_of, timeouts_of
    from node.stages.desk import Desk
    from node.stages.infer import Infer, Limits, clear_left_work

    clear_left_work(house.rooms)
    models = house.config.models
    runner = runner_of(house.config)
    stack.callback(runner.close)
    shelf, desk = shelf_of(house.config), Desk()
    limits = Limits(
        timeout_seconds=models.timeout_seconds,
        attempts=models.attempts,
        warm=tuple(dict.fromkeys(route.model for route in house.config.routes)),
        routes={route.name: route for route in routes_of(house.config)},
        timeouts=timeouts_of(house.config),
    )
    deliver = house.bells["deliver"]
    house.legs.append(Infer(house.rooms, shelf, runner, limits, deliver, desk))
    wish = house.config.preparing
    if wish.series and wish.megabytes:
        house.legs.append(_prepare(house, desk, (shelf, runner, limits.timeout_of)))


def _prepare(
    house: House, desk: "Desk", host: "tuple[Shelf, Runner, Callable[[str], float]]"
) -> Leg:
    from node.rules.speculating import Eagerness
    from node.stages.prepare import Prepare

    wish = house.config.preparing
    eagerness = Eagerness(
        wish.series, wish.megabytes, wish.early_looks, wish.look_after_seconds, wish.streaming
    )
    return Prepare(house.rooms, desk, host, routes_of(house.config), eagerness)


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
