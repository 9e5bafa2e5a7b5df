"""Restores, as the machine decides them."""

from uuid import UUID

import pytest

from innkeeper.node.supervisor import commands as do
from innkeeper.node.supervisor import events as on
from innkeeper.node.supervisor.machine import Machine
from innkeeper.node.supervisor.memory import Memory
from innkeeper.testing.playbook import Playbook
from innkeeper.wire.messages import Restore, StopRule

RESTORE, OTHER = UUID(int=1), UUID(int=2)
WANTED = Restore(backup=UUID(int=9), snapshot="s")
RULES = on.Rules(stop=StopRule(command="stop", timeout_s=10), needs_install=True)


def ordered() -> on.OrderReceived:
    return on.OrderReceived(RESTORE, "restore", WANTED)


def stopped() -> Playbook:
    return Playbook(Machine(RULES, Memory(phase="stopped", installed=True)))


def running() -> Playbook:
    book = stopped() >> on.OrderReceived(OTHER, "start") << do.Prepare() >> on.Prepared("r") << do.Launch("r")
    return book >> on.Launched(7) >> on.ReadySeen()


def test_a_stopped_server_is_restored_and_stays_stopped() -> None:
    book = stopped() >> ordered() << do.RestoreFiles(WANTED) >> on.RestoreBegun() >> on.InstallFinished()
    assert book.done().stands("stopped").end_of(RESTORE).state == "done"
    assert not book.memory.half_restored


def test_a_running_server_is_stopped_restored_and_started_again() -> None:
    book = running() >> ordered() << do.SendLine("stop") >> on.Exited(0, None) << do.RestoreFiles(WANTED)
    book.stands("installing", "restored") >> on.RestoreBegun() >> on.InstallFinished() << do.Prepare()
    assert book.end_of(RESTORE).state == "done"
    book >> on.Prepared("s") << do.Launch("s")


def test_one_that_fails_before_anything_was_overwritten_leaves_the_server_as_it_was() -> None:
    book = running() >> ordered() << do.SendLine("stop") >> on.Exited(0, None) << do.RestoreFiles(WANTED)
    book >> on.InstallFailed("no such backup") << do.Prepare()
    assert book.end_of(RESTORE).reason == "no such backup"


def test_what_is_half_restored_cannot_be_started_until_a_restore_has_ended() -> None:
    book = running() >> ordered() << do.SendLine("stop") >> on.Exited(0, None) << do.RestoreFiles(WANTED)
    book >> on.RestoreBegun() >> on.InstallFailed("the disk is full")
    book.stands("stopped", "the disk is full") >> on.OrderReceived(UUID(int=3), "start")
    assert "restore a backup first" in (book.done().end_of(UUID(int=3)).reason or "")
    book >> on.OrderReceived(UUID(int=4), "restore", WANTED) << do.RestoreFiles(WANTED)
    book >> on.InstallFinished() >> on.OrderReceived(UUID(int=5), "start") << do.Prepare()


@pytest.mark.parametrize("found", [on.NothingFound(), on.HostBooted(True)])
def test_a_killed_node_goes_on_with_it_and_starts_the_game_behind_it(found: on.Event) -> None:
    book = running() >> ordered() << do.SendLine("stop") >> on.Exited(0, None) << do.RestoreFiles(WANTED)
    book >> on.RestoreBegun()
    book.restart_node() >> found << do.RestoreFiles(WANTED) >> on.InstallFinished() << do.Prepare()


def test_a_host_that_went_down_while_the_game_was_being_stopped_restores_it() -> None:
    book = running() >> ordered() << do.SendLine("stop")
    book.restart_node() >> on.HostBooted(True) << do.RestoreFiles(WANTED) >> on.InstallFinished() << do.Prepare()


def test_a_stop_meanwhile_leaves_it_stopped() -> None:
    book = running() >> ordered() << do.SendLine("stop") >> on.OrderReceived(UUID(int=3), "stop")
    book >> on.Exited(0, None) << do.RestoreFiles(WANTED) >> on.InstallFinished()
    assert book.done().stands("stopped").end_of(UUID(int=3)).state == "done"


def test_a_kill_cuts_it_short() -> None:
    book = stopped() >> ordered() << do.RestoreFiles(WANTED) >> on.RestoreBegun()
    book >> on.OrderReceived(OTHER, "kill") << do.CancelWork("install")
    assert book.done().stands("stopped", "cut short").end_of(RESTORE).reason == "killed on request"
    assert book.memory.half_restored


def test_a_start_waits_for_its_end() -> None:
    book = stopped() >> ordered() << do.RestoreFiles(WANTED) >> on.OrderReceived(OTHER, "start")
    shown = book.memory.order_shown()
    assert shown is not None
    assert shown.reason == "waits until the restore is finished"
    book >> on.InstallFinished() << do.Prepare()
