"""Commands of different machines that run at the same time, and let each other run at each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from builder.model.progress import Quiet
from builder.model.stop import Stop
from publisher.audit.sync import sync
from publisher.audit.yank import Permissions
from publisher.parameters.expected import Parameter
from publisher.parameters.update import follow_ledger
from tests.fakes.interleaving import Command
from tests.fakes.simulated_runs import Doom, MemoryLedger, World

WHEN = datetime(2026, 11, 25, tzinfo=timezone.utc)


class Steps(Doom):
    """A process that lets others run at each step and may be killed at one."""

    def __init__(self, pause: Callable[[str], None], after: int | None = None) -> None:
        super().__init__(after)
        self._pause = pause

    def __call__(self, what: str = "") -> None:
        self._pause(what)
        super().__call__(what)


def machines(shared: bool) -> tuple[MemoryLedger, MemoryLedger]:
    """Return the ledgers of two machines: shared or separate records."""
    one = MemoryLedger()
    return one, MemoryLedger(one.records, one.kept) if shared else MemoryLedger()


def publishing(
    world: World, version: str, ledger: MemoryLedger, build: str = "one", dies: int | None = None
) -> Command:
    return lambda pause: world.publish(version, ledger, build=build, doom=Steps(pause, dies))


def yanking(world: World, number: int, ledger: MemoryLedger, *, undo: bool = False, dies: int | None = None) -> Command:
    def command(pause: Callable[[str], None]) -> object:
        ledger.doom = steps = Steps(pause, dies)
        permissions = Permissions(world.matrix, ledger, world.lambdas(steps), world.aws.clock, Quiet())
        release = ledger.records[number]
        return permissions.restore(release) if undo else permissions.yank(release, "broken", WHEN)

    return command


def syncing(world: World, ledger: MemoryLedger) -> Command:
    def command(pause: Callable[[str], None]) -> object:
        ledger.doom = steps = Steps(pause)
        return sync(world.matrix, ledger, world.lambdas(steps), Quiet(), Stop())

    return command


@dataclass
class Store:
    """Parameters of one region, which all processes share."""

    values: dict[str, str] = field(default_factory=dict)
    pause: Callable[[str], None] = lambda _step: None

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        self.pause("GetParameters")
        return {name: value for name, value in self.values.items() if name in names}

    def write(self, parameter: Parameter) -> None:
        self.pause("PutParameter")
        self.values[parameter.name] = parameter.arn

    def remove(self, names: Sequence[str]) -> None:
        self.pause("DeleteParameters")
        for name in names:
            self.values.pop(name, None)


def repairing(world: World, ledger: MemoryLedger, stores: Mapping[str, Store]) -> Command:
    """Do what ``audit --repair`` does, and each command that changes a release does at its end."""

    def command(pause: Callable[[str], None]) -> object:
        ledger.doom = Steps(pause)
        own = {region: replace(store, pause=pause) for region, store in stores.items()}
        return follow_ledger(world.matrix, ledger, own, world.aws.clock, Quiet(), Stop())

    return command


def one_after_the_other(*commands: Command) -> Command:
    def command(pause: Callable[[str], None]) -> object:
        return [each(pause) for each in commands]

    return command
