"""Whatever happens in whatever order: what always holds of the supervising machine."""

from datetime import timedelta
from uuid import UUID

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from innkeeper.node.supervisor.commands import (
    CancelTimer,
    CancelWork,
    Command,
    FinishOrder,
    Install,
    Kill,
    Launch,
    Prepare,
    SendLine,
    SetTimer,
    Signal,
    WaitForSlot,
)
from innkeeper.node.supervisor.events import (
    Adopted,
    DesiredChanged,
    Elapsed,
    Event,
    Exited,
    HostBooted,
    InstallFailed,
    InstallFinished,
    KeeperLost,
    Launched,
    LaunchFailed,
    NothingFound,
    OrderReceived,
    OutOfStorage,
    Prepared,
    PrepareRefused,
    ReadySeen,
    Rules,
    RunsTold,
    SavingSeen,
    SlotGranted,
    StopAsked,
    Timer,
)
from innkeeper.node.supervisor.machine import Machine
from innkeeper.node.supervisor.memory import Memory
from innkeeper.wire.messages import CrashRule, StopRule, Verb

VERBS: list[Verb] = ["install", "start", "stop", "restart", "kill"]
BY_COMMAND = Rules(stop=StopRule(command="stop"), crash=CrashRule(limit=2), needs_install=True)
BY_SIGNAL = Rules(stop=StopRule(timeout_s=1), crash=CrashRule(restart=False))
SUSPENDED = Rules(suspended=True)


class World(RuleBasedStateMachine):
    """A machine and a truthful world around it: a process that lives or not, works under way, timers, a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine(BY_COMMAND)
        self.now_us = 1_000_000_000
        self.process = "none"
        self.run_id = "r0"
        self.works: set[str] = set()
        self.timers: set[Timer] = set()
        self.given: set[UUID] = set()
        self.ended: dict[UUID, int] = {}
        self.runs = 0
        self.lived: dict[str, int] = {}
        """Runs whose process was born, and when."""
        self.told: list[str] = []
        """Runs whose end the panel has acknowledged."""

    def tell(self, event: Event) -> list[Command]:
        self.now_us += 1
        lived = self.process == "alive"
        commands = self.machine.receive(event, self.now_us)
        for command in commands:
            self.perform(command)
        if isinstance(event, OrderReceived) and event.verb == "kill" and event.id not in self.ended and lived:
            assert Kill() in commands
        return commands

    def perform(self, command: Command) -> None:
        match command:
            case Install():
                assert self.process == "none", "installed under a living game"
                assert not self.works
                self.works.add("install")
            case WaitForSlot():
                assert self.process == "none"
                self.works.add("slot")
            case Prepare():
                assert self.process == "none", "prepared under a living game"
                assert self.works <= {"slot"}
                self.works.add("prepare")
            case CancelWork(work):
                self.works.discard(work)
            case Launch(run_id):
                assert self.process == "none", "launched twice"
                self.process, self.run_id = "launching", run_id
            case SendLine() | Signal() | Kill():
                assert self.process == "alive", "nobody is there to be asked"
            case SetTimer(timer, seconds):
                assert seconds >= 0
                self.timers.add(timer)
            case CancelTimer(timer):
                self.timers.discard(timer)
            case FinishOrder(report):
                assert report.state in ("done", "failed")
                assert report.state == "done" or report.reason
                self.ended[report.id] = self.ended.get(report.id, 0) + 1

    # -- what people do

    @rule(verb=st.sampled_from(VERBS))
    def order(self, verb: Verb) -> None:
        id = UUID(int=len(self.given))
        self.given.add(id)
        self.tell(OrderReceived(id, verb))

    @rule(rules=st.sampled_from([BY_COMMAND, BY_SIGNAL, SUSPENDED]))
    def change(self, rules: Rules) -> None:
        self.tell(DesiredChanged(rules))

    # -- what the world does

    @precondition(lambda self: "install" in self.works)
    @rule(succeeds=st.booleans())
    def install_ends(self, succeeds: bool) -> None:
        self.works.discard("install")
        self.tell(InstallFinished() if succeeds else InstallFailed("no space"))

    @precondition(lambda self: "slot" in self.works)
    @rule()
    def slot(self) -> None:
        self.works.discard("slot")
        self.tell(SlotGranted())

    @precondition(lambda self: "prepare" in self.works)
    @rule(succeeds=st.booleans())
    def preparation_ends(self, succeeds: bool) -> None:
        self.works.discard("prepare")
        self.runs += 1
        self.tell(Prepared(f"r{self.runs}") if succeeds else PrepareRefused("port is held"))

    @precondition(lambda self: self.process == "launching")
    @rule(succeeds=st.booleans())
    def launch_ends(self, succeeds: bool) -> None:
        self.process = "alive" if succeeds else "none"
        if succeeds:
            self.lived[self.run_id] = self.now_us + 1
        self.tell(Launched(7) if succeeds else LaunchFailed("no such file"))

    @rule()
    def panel_acknowledges(self) -> None:
        runs = [run.run_id for run in self.machine.memory.runs]
        self.told += runs
        self.tell(RunsTold(frozenset(runs)))
        assert self.machine.memory.runs == []

    @precondition(lambda self: self.process == "alive")
    @rule(
        event=st.sampled_from(
            [ReadySeen(), SavingSeen(), StopAsked(), OutOfStorage("full"), OutOfStorage("full", at_once=True)]
        )
    )
    def speaks(self, event: Event) -> None:
        self.tell(event)

    @precondition(lambda self: self.process == "alive")
    @rule(event=st.sampled_from([Exited(0, None), Exited(1, None), Exited(None, 9, cause="oom"), KeeperLost("killed")]))
    def dies(self, event: Event) -> None:
        self.process = "none"
        self.tell(event)

    @precondition(lambda self: self.timers)
    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        timer = data.draw(st.sampled_from(sorted(self.timers)))
        self.timers.discard(timer)
        self.now_us += timedelta(minutes=1) // timedelta(microseconds=1)
        self.tell(Elapsed(timer))

    @rule(dies=st.booleans(), known=st.booleans(), host=st.booleans(), wanted=st.booleans(), happened=st.booleans())
    def node_falls(self, dies: bool, known: bool, host: bool, wanted: bool, happened: bool) -> None:
        """The node is killed and begins again: it has its memory, and finds out what lives."""
        kept = msgspec.json.decode(msgspec.json.encode(self.machine.memory), type=Memory)
        self.machine = Machine(self.machine.rules, kept)
        self.works.clear()
        self.timers.clear()
        launched = self.process == "launching" and happened
        remembered, self.process = self.process, "alive" if self.process == "alive" or launched else "none"
        if launched:
            self.lived[self.run_id] = self.now_us
        began = self.lived.get(self.run_id) if self.process == "alive" else None
        if host:
            self.process = "none"
            self.tell(HostBooted(wanted, began, began))
        elif self.process == "alive" and not dies:
            assert began is not None
            self.tell(Adopted(self.run_id, 7, began))
        elif self.process == "alive":
            self.process = "none"
            self.tell(Exited(1, None, began, began) if known else KeeperLost("killed", began, began))
        else:
            self.tell(LaunchFailed("no such file") if remembered == "launching" and dies else NothingFound())

    # -- what always holds

    @invariant()
    def what_it_shows_is_so(self) -> None:
        memory = self.machine.memory
        assert memory.process == self.process
        if memory.phase in ("running", "saving"):
            assert self.process == "alive"
        if memory.phase in ("created", "stopped", "crashed", "installing", "preparing"):
            assert self.process == "none"
        if memory.phase in ("created", "stopped"):
            assert memory.order is None
            assert memory.waiting is None
            assert not self.timers

    @invariant()
    def something_always_goes_on(self) -> None:
        phase = self.machine.memory.phase
        if phase == "installing":
            assert "install" in self.works
        if phase == "preparing":
            assert self.works & {"prepare", "slot"}
        if phase in ("stopping", "saving", "restarting") and self.process == "alive":
            assert self.timers & {"stop", "kill"}

    @invariant()
    def every_run_is_told_once_from_its_birth_to_its_end(self) -> None:
        waiting = {run.run_id: run for run in self.machine.memory.runs}
        ended = set(self.lived) - ({self.run_id} if self.process == "alive" else set())
        assert sorted([*self.told, *waiting]) == sorted(ended)
        for run_id, run in waiting.items():
            assert self.lived[run_id] == run.started_us <= run.ended_us <= self.now_us

    @invariant()
    def every_order_is_known_or_has_ended_once(self) -> None:
        memory = self.machine.memory
        open_orders = {order.id for order in (memory.order, memory.waiting) if order is not None}
        assert open_orders == self.given - set(self.ended)
        assert set(self.ended.values()) <= {1}

    def teardown(self) -> None:
        """From wherever it was left, a kill and a start that succeeds lead to a running server."""
        self.change(BY_COMMAND)
        self.order("kill")
        if self.process == "launching":
            self.launch_ends(True)
        if self.process == "alive":
            self.dies(Exited(None, 9))
        assert self.machine.memory.phase in ("created", "stopped")
        self.order("install")
        self.install_ends(True)
        self.order("start")
        self.preparation_ends(True)
        self.launch_ends(True)
        self.speaks(ReadySeen())
        assert self.machine.memory.phase == "running"
        assert self.given == set(self.ended)
        self.every_order_is_known_or_has_ended_once()


World.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestWhateverHappens = World.TestCase
