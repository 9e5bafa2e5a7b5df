"""The supervising machine, told as playbooks: what happened, and what it wants done."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from innkeeper.node.supervisor.commands import CancelWork, Install, Kill, Launch, Prepare, SendLine, Signal, WaitForSlot
from innkeeper.node.supervisor.events import (
    Adopted,
    DesiredChanged,
    Exited,
    HostBooted,
    InstallFailed,
    InstallFinished,
    InstallProgressed,
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
    SavingSeen,
    SlotGranted,
    StopAsked,
)
from innkeeper.node.supervisor.machine import Machine
from innkeeper.node.supervisor.memory import Memory
from innkeeper.testing.playbook import Playbook
from innkeeper.wire.messages import CrashRule, StopRule, Verb

INSTALL, START, STOP, RESTART, KILL, OTHER = (UUID(int=number) for number in range(1, 7))
RULES = Rules(
    stop=StopRule(command="stop", timeout_s=30),
    crash=CrashRule(limit=3, window_s=600, first_delay_s=2, longest_delay_s=5),
    clean_exit=(0, -15),
    start_timeout_s=300,
)


def order(id: UUID, verb: Verb) -> OrderReceived:
    return OrderReceived(id, verb)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def stopped(rules: Rules = RULES) -> Playbook:
    return Playbook(Machine(rules, Memory(phase="stopped", installed=True)))


def starting(rules: Rules = RULES) -> Playbook:
    play = stopped(rules) >> order(START, "start") << Prepare() >> Prepared("r1") << Launch("r1") >> Launched(100)
    return play.stands("starting")


def running(rules: Rules = RULES) -> Playbook:
    return (starting(rules) >> ReadySeen()).stands("running")


# -- installing ----------------------------------------------------------------------------------------------------


def test_a_created_server_is_installed_and_then_rests() -> None:
    play = Playbook(Machine(Rules(needs_install=True)))
    play >> order(INSTALL, "install") << Install()
    play.stands("installing")
    play >> InstallProgressed("npm ci", 0.5) >> InstallFinished()
    play.stands("stopped")
    report = play.end_of(INSTALL)
    assert report.state == "done"
    assert report.steps == ["npm ci", "installed"]
    assert report.fraction == 1.0


def test_a_failed_installation_says_why_and_can_be_tried_again() -> None:
    play = Playbook(Machine(Rules(needs_install=True)))
    play >> order(INSTALL, "install") << Install() >> InstallFailed("no space left")
    play.stands("created", "no space left")
    assert play.end_of(INSTALL).reason == "no space left"
    play >> order(START, "start")
    assert "no space left" in (play.end_of(START).reason or "")
    (play >> order(OTHER, "install") << Install() >> InstallFinished()).stands("stopped")


def test_a_start_waits_for_the_installation_and_then_happens() -> None:
    play = Playbook(Machine(Rules(needs_install=True))) >> order(INSTALL, "install") << Install()
    play >> order(START, "start")
    shown = play.memory.order_shown()
    assert shown is not None
    assert (shown.id, shown.state) == (START, "waiting")
    assert shown.reason == "waits until the installation is finished"
    (play >> InstallFinished() << Prepare()).stands("preparing")


def test_a_newer_order_replaces_the_one_that_waits() -> None:
    play = stopped() >> order(INSTALL, "install") << Install() >> order(START, "start")
    play >> order(RESTART, "restart")
    assert play.end_of(START).reason == "superseded by a newer order: restart"
    play >> InstallFinished() << Prepare() >> Prepared("r") << Launch("r") >> Launched(1) >> ReadySeen()
    assert play.end_of(RESTART).state == "done"


def test_a_kill_cuts_an_installation_short() -> None:
    play = stopped() >> order(INSTALL, "install") << Install() >> order(KILL, "kill") << CancelWork("install")
    play.stands("stopped", "cut short")
    assert play.end_of(INSTALL).state == "failed"
    assert play.end_of(KILL).state == "done"


def test_a_stop_while_installing_has_nothing_to_do() -> None:
    play = stopped() >> order(INSTALL, "install") << Install() >> order(STOP, "stop")
    assert play.end_of(STOP).state == "done"
    play.stands("installing")


def test_an_installation_waits_until_the_server_is_stopped() -> None:
    play = running() >> order(INSTALL, "install")
    assert play.memory.waiting is not None
    assert play.memory.waiting.reason == "waits until the server is stopped"
    (play >> Exited(0, None) << Install()).stands("installing")


# -- starting ------------------------------------------------------------------------------------------------------


def test_running_is_said_by_the_game_and_not_by_its_process() -> None:
    play = starting()
    assert play.ended == []
    play >> ReadySeen()
    play.stands("running")
    assert play.end_of(START).state == "done"
    assert play.end_of(START).steps == ["prepared", "started, process 100", "ready"]


def test_starting_a_running_server_is_done_at_once() -> None:
    play = running() >> order(OTHER, "start")
    assert play.end_of(OTHER).steps == ["already running"]


def test_a_repeated_order_is_performed_once_and_answered_each_time() -> None:
    play = running() >> order(START, "start") >> order(START, "start")
    assert [report.id for report in play.ended] == [START, START, START]
    assert len(set(map(repr, play.ended))) == 1


def test_a_refused_preparation_fails_the_start_with_its_reason() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> PrepareRefused("port 25565/tcp is held")
    play.stands("stopped", "25565")
    assert play.end_of(START).reason == "port 25565/tcp is held"


def test_what_cannot_be_executed_is_not_tried_again() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r") << Launch("r")
    play >> LaunchFailed("no such program: java") >> seconds(3600)
    play.stands("crashed", "no such program")
    assert play.end_of(START).reason == "no such program: java"


def test_an_end_before_ready_fails_the_start_and_is_a_crash_whatever_its_code() -> None:
    play = starting() >> Exited(0, None)
    play.stands("crashed", "waits 2 s after crash 1 of 3")
    assert play.end_of(START).reason == "ended with code 0 before it was ready"
    play >> seconds(2) << Prepare()


def test_a_slow_start_fails_its_order_and_leaves_the_process_alone() -> None:
    play = starting() >> seconds(301)
    play.stands("starting", "did not say that it is ready within 300 s")
    assert play.end_of(START).reason == "did not say that it is ready within 300 s"
    (play >> ReadySeen()).stands("running")
    assert play.memory.reason is None


def test_a_second_start_after_a_slow_one_waits_for_the_same_process() -> None:
    play = starting() >> seconds(301) >> order(OTHER, "start") >> ReadySeen()
    assert play.end_of(OTHER).state == "done"


def test_a_second_start_waits_for_the_first() -> None:
    play = starting() >> order(OTHER, "start")
    assert play.memory.waiting is not None
    play >> ReadySeen()
    assert play.end_of(START).state == "done"
    assert play.end_of(OTHER).steps == ["already running"]


# -- stopping ------------------------------------------------------------------------------------------------------


def test_a_stop_is_typed_on_the_console() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop")
    (play >> StopAsked() >> SavingSeen()).stands("saving")
    (play >> Exited(1, None)).stands("stopped")
    assert play.end_of(STOP).steps == ["asked to stop with the command 'stop'", "ended with code 1"]
    assert play.memory.last_exit is not None
    assert (play.memory.last_exit.code, play.memory.last_exit.clean) == (1, True)
    assert play.memory.last_exit.started_us == play.memory.runs[-1].started_us, "the run that ended"


def test_without_a_command_the_signal_is_sent() -> None:
    play = running(Rules(stop=StopRule(signal="SIGINT"))) >> order(STOP, "stop") << Signal("SIGINT")
    (play >> Exited(None, 2)).stands("stopped")


def test_a_stop_that_takes_too_long_becomes_a_kill_and_says_so() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop") >> seconds(30) << Kill() >> Exited(None, 9)
    play.stands("stopped", "killed after the stop timed out")
    assert "killed after 30 s" in play.end_of(STOP).steps
    assert play.end_of(STOP).state == "done"


def test_what_survives_a_kill_is_killed_again() -> None:
    play = running() >> order(KILL, "kill") << Kill() >> seconds(10) << Kill() >> seconds(10) << Kill()
    play.stands("stopping", "was killed and has not ended")
    (play >> Exited(None, 9)).stands("stopped")


def test_stopping_a_stopped_server_is_done_at_once() -> None:
    play = stopped() >> order(STOP, "stop")
    assert play.end_of(STOP).steps == ["already stopped"]


def test_a_stop_while_preparing_calls_the_start_off() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> order(STOP, "stop") << CancelWork("prepare")
    play.stands("stopped")
    assert play.end_of(START).state == "failed"
    assert play.end_of(STOP).state == "done"


def test_a_stop_while_starting_works() -> None:
    play = starting() >> order(STOP, "stop") << SendLine("stop") >> ReadySeen() >> Exited(0, None)
    play.stands("stopped")
    assert play.end_of(START).reason == "stopped on request before it was ready"


def test_a_stop_between_launch_and_life_is_sent_once_there_is_somebody_to_ask() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r") << Launch("r") >> order(STOP, "stop")
    play >> Launched(7) << SendLine("stop") >> Exited(0, None)
    play.stands("stopped")


def test_a_stop_while_waiting_after_a_crash_ends_the_waiting() -> None:
    play = running() >> Exited(1, None) >> order(STOP, "stop") >> seconds(3600)
    play.stands("stopped")
    assert play.end_of(STOP).steps == ["called off the start to come"]


def test_a_start_during_a_stop_waits_for_its_end() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop") >> order(OTHER, "start")
    assert play.memory.waiting is not None
    assert play.memory.waiting.reason == "waits until the server has stopped"
    (play >> Exited(0, None) << Prepare()).stands("preparing")
    assert play.end_of(STOP).state == "done"


# -- killing -------------------------------------------------------------------------------------------------------


def test_a_kill_is_no_crash() -> None:
    play = running() >> order(KILL, "kill") << Kill() >> Exited(None, 9) >> seconds(3600)
    play.stands("stopped", "killed on request")
    assert play.end_of(KILL).state == "done"
    assert play.memory.crashes_us == []


def test_a_kill_passes_a_stop_under_way() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop") >> order(KILL, "kill") << Kill() >> Exited(None, 9)
    assert play.end_of(STOP).reason == "killed on request"
    assert play.end_of(KILL).state == "done"


def test_a_kill_between_launch_and_life_comes_with_the_process() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r") << Launch("r") >> order(KILL, "kill")
    (play >> Launched(7) << Kill() >> Exited(None, 9)).stands("stopped")


# -- restarting ----------------------------------------------------------------------------------------------------


def test_a_restart_shows_as_one_until_the_old_process_has_ended() -> None:
    play = running() >> order(RESTART, "restart") << SendLine("stop") >> SavingSeen()
    play.stands("restarting")
    (play >> Exited(0, None) << Prepare()).stands("preparing")
    play >> Prepared("r2") << Launch("r2") >> Launched(101) >> ReadySeen()
    play.stands("running")
    assert play.end_of(RESTART).state == "done"


def test_a_stop_turns_a_restart_into_a_stop() -> None:
    play = running() >> order(RESTART, "restart") << SendLine("stop") >> order(STOP, "stop") >> Exited(0, None)
    play.stands("stopped")
    assert play.end_of(RESTART).reason == "superseded by a stop"
    assert play.end_of(STOP).state == "done"


def test_a_restart_of_a_stopped_server_starts_it() -> None:
    (stopped() >> order(RESTART, "restart") << Prepare()).stands("preparing")


# -- crashing ------------------------------------------------------------------------------------------------------


def test_a_clean_end_by_itself_is_no_crash() -> None:
    play = running() >> Exited(0, None) >> seconds(3600)
    play.stands("stopped", "ended by itself")
    play = running() >> Exited(None, 15)
    play.stands("stopped", "ended by itself")


def test_crashes_are_followed_by_growing_waits_and_then_by_giving_up() -> None:
    play = running()
    for number, wait in enumerate([2, 4, 5], start=1):
        play >> Exited(1, None)
        play.stands("crashed", f"waits {wait} s after crash {number} of 3")
        play >> seconds(wait - 0.1) >> seconds(0.2) << Prepare() >> Prepared(f"r{number}") << Launch(f"r{number}")
        play >> Launched(number) >> ReadySeen()
    play >> Exited(None, 11) >> seconds(3600)
    play.stands("crashed", "gave up after 4 crashes within 600 s")
    play >> order(OTHER, "start") << Prepare()
    assert play.memory.crashes_us == []


def test_old_crashes_are_forgotten() -> None:
    play = running()
    for _ in range(10):
        play >> Exited(1, None)
        play.stands("crashed", "waits 2 s after crash 1 of 3")
        play >> seconds(2) << Prepare() >> Prepared("r") << Launch("r") >> Launched(1) >> ReadySeen() >> seconds(601)


def test_where_crashes_are_not_restarted_the_server_stays_down() -> None:
    play = running(Rules(crash=CrashRule(restart=False))) >> Exited(1, None) >> seconds(3600)
    play.stands("crashed", "not started again")


def test_a_busy_port_after_a_crash_is_tried_again_later() -> None:
    play = running() >> Exited(1, None) >> seconds(2) << Prepare() >> PrepareRefused("port is held")
    play.stands("crashed", "waits 4 s after crash 2 of 3")


def test_a_start_order_does_not_wait_for_the_next_try() -> None:
    play = running() >> Exited(1, None) >> order(OTHER, "start") << Prepare()
    play.stands("preparing")
    play >> seconds(60)


# -- suspension ----------------------------------------------------------------------------------------------------


def test_a_suspended_server_is_stopped_and_not_started() -> None:
    suspended = Rules(stop=RULES.stop, suspended=True)
    play = running() >> DesiredChanged(suspended) << SendLine("stop") >> Exited(0, None)
    play.stands("stopped", "suspended")
    play >> order(OTHER, "start")
    assert play.end_of(OTHER).reason == "the server is suspended"
    play >> DesiredChanged(RULES) >> order(RESTART, "start") << Prepare()


def test_suspension_ends_what_was_about_to_start() -> None:
    suspended = Rules(suspended=True)
    play = stopped() >> order(START, "start") << Prepare() >> DesiredChanged(suspended) << CancelWork("prepare")
    assert play.end_of(START).reason == "the server is suspended"
    (running() >> Exited(1, None) >> DesiredChanged(suspended) >> seconds(60)).stands("stopped", "suspended")
    play = running() >> order(RESTART, "restart") << SendLine("stop") >> DesiredChanged(suspended) >> Exited(0, None)
    play.stands("stopped", "suspended")


# -- after a restart of the node -----------------------------------------------------------------------------------


def adopted(run: str = "r1", *, ready: bool = False) -> Adopted:
    return Adopted(run, 100, 1, ready)


def test_a_running_server_is_adopted_as_it_is() -> None:
    play = running().restart_node(after=seconds(3600)) >> adopted()
    play.stands("running")


def test_a_start_goes_on_after_a_restart_of_the_node_with_the_time_that_is_left() -> None:
    play = (starting() >> seconds(100)).restart_node(after=seconds(100)) >> adopted() >> seconds(99)
    assert play.ended == []
    play >> seconds(2)
    assert play.end_of(START).state == "failed"
    (play >> ReadySeen()).stands("running")


def test_a_start_is_not_launched_twice_when_the_node_fell_between() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r1") << Launch("r1")
    play = play.restart_node() >> adopted() >> ReadySeen()
    assert play.end_of(START).state == "done"


def test_a_launch_that_never_happened_is_prepared_again() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r1") << Launch("r1")
    (play.restart_node() >> NothingFound() << Prepare()).stands("preparing")


def test_a_kill_while_a_launch_that_never_happened_is_prepared_again_has_nothing_to_wait_for() -> None:
    play = stopped() >> order(START, "start") << Prepare() >> Prepared("r1") << Launch("r1")
    play = play.restart_node() >> NothingFound() << Prepare() >> order(KILL, "kill") << CancelWork("prepare")
    play.stands("stopped")
    assert play.end_of(KILL).state == "done"


def test_a_stop_goes_on_with_the_time_that_is_left() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop") >> StopAsked() >> seconds(10)
    play = play.restart_node(after=seconds(10)) >> adopted() >> seconds(9) >> seconds(2) << Kill() >> Exited(None, 9)
    assert play.end_of(STOP).state == "done"


def test_a_stop_that_may_not_have_been_heard_is_asked_again() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop")
    play.restart_node() >> adopted() << SendLine("stop")


def test_a_kill_is_done_again_after_a_restart_of_the_node() -> None:
    play = running() >> order(KILL, "kill") << Kill()
    play.restart_node() >> adopted() << Kill()


def test_an_installation_is_begun_again_from_its_start() -> None:
    play = stopped() >> order(INSTALL, "install") << Install()
    play = play.restart_node() >> NothingFound() << Install() >> InstallFinished()
    assert play.end_of(INSTALL).state == "done"


def test_an_end_meanwhile_is_treated_as_if_it_had_been_seen() -> None:
    play = running().restart_node() >> Exited(1, None)
    play.stands("crashed", "waits 2 s")
    play = running().restart_node() >> Exited(0, None)
    play.stands("stopped", "ended by itself")


def test_a_lost_keeper_is_a_crash() -> None:
    play = running().restart_node() >> KeeperLost("its keeper was killed")
    play.stands("crashed", "its keeper was killed")


def test_a_wait_after_a_crash_goes_on() -> None:
    play = (running() >> Exited(1, None)).restart_node(after=seconds(1)) >> NothingFound() >> seconds(0.9)
    play >> seconds(0.2) << Prepare()


def test_an_order_done_before_the_restart_is_not_done_again() -> None:
    play = running().restart_node() >> adopted() >> order(START, "start")
    assert [report.id for report in play.ended] == [START, START]


def test_a_process_that_nobody_remembers_is_adopted_all_the_same() -> None:
    play = stopped().restart_node() >> adopted("unknown")
    play.stands("starting")
    (play >> ReadySeen()).stands("running")


# -- after a boot of the host --------------------------------------------------------------------------------------


def test_the_power_intent_is_restored_in_turn() -> None:
    play = running().restart_node() >> HostBooted(True) << WaitForSlot()
    play.stands("preparing", "waits for its turn to start")
    play >> SlotGranted() << Prepare()
    assert play.memory.last_exit is not None
    assert play.memory.last_exit.reason == "the host was restarted"


def test_a_start_order_does_not_wait_for_its_turn() -> None:
    play = running().restart_node() >> HostBooted(True) << WaitForSlot()
    play >> order(OTHER, "start") << CancelWork("slot") << Prepare()


def test_a_stop_leaves_the_queue() -> None:
    play = running().restart_node() >> HostBooted(True) << WaitForSlot() >> order(STOP, "stop") << CancelWork("slot")
    play.stands("stopped")


def test_what_should_not_run_stays_down_after_a_boot() -> None:
    play = running().restart_node() >> HostBooted(False) >> seconds(3600)
    play.stands("stopped", "the host was restarted")
    play = running().restart_node(rules=Rules(suspended=True)) >> HostBooted(True)
    play.stands("stopped", "suspended")


def test_a_boot_during_a_stop_finishes_it() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop")
    play = play.restart_node() >> HostBooted(False)
    play.stands("stopped")
    assert play.end_of(STOP).state == "done"


def test_a_boot_during_a_restart_goes_on_with_the_start() -> None:
    play = running() >> order(RESTART, "restart") << SendLine("stop")
    play = play.restart_node() >> HostBooted(False) << WaitForSlot() >> SlotGranted() << Prepare() >> Prepared("r2")
    play << Launch("r2") >> Launched(1) >> ReadySeen()
    assert play.end_of(RESTART).state == "done"


# -- too late ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event", [Prepared("late"), Launched(1), ReadySeen(), SavingSeen(), Exited(0, None), SlotGranted(), StopAsked()]
)
def test_what_comes_too_late_changes_nothing(event: Prepared) -> None:
    (stopped() >> event).done().stands("stopped")


def test_only_the_last_orders_are_remembered() -> None:
    play = stopped()
    for _ in range(100):
        play >> order(uuid4(), "stop")
    assert len(play.memory.finished) <= 16


# -- limits --------------------------------------------------------------------------------------------------------

FULL = "out of storage: 37 of 32 MiB"


def test_a_game_out_of_storage_is_stopped_in_order_and_stays_down() -> None:
    play = running() >> OutOfStorage(FULL) << SendLine("stop")
    play.stands("stopping", FULL) >> OutOfStorage(FULL) >> SavingSeen() >> Exited(0, None)
    play.stands("stopped", FULL).done()
    assert play.memory.last_exit is not None
    assert (play.memory.last_exit.reason, play.memory.last_exit.clean) == (FULL, True)
    assert (play >> order(OTHER, "start") << Prepare()).memory.cause is None


def test_far_out_of_storage_a_game_is_killed_even_while_it_stops() -> None:
    play = running() >> OutOfStorage(FULL) << SendLine("stop") >> OutOfStorage(FULL, at_once=True) << Kill()
    play >> OutOfStorage(FULL, at_once=True) >> Exited(None, 9)
    play.stands("stopped", FULL)
    assert play.memory.last_exit is not None
    assert (play.memory.last_exit.reason, play.memory.last_exit.clean) == (FULL, False)


def test_a_start_or_restart_fails_where_its_game_runs_out_of_storage() -> None:
    play = starting() >> OutOfStorage(FULL) << SendLine("stop")
    assert play.end_of(START).reason == FULL
    play = running() >> order(RESTART, "restart") << SendLine("stop") >> OutOfStorage(FULL) >> Exited(0, None)
    play.stands("stopped", FULL).done()
    assert play.end_of(RESTART).reason == FULL


def test_a_stop_asked_for_is_not_blamed_on_the_storage() -> None:
    play = running() >> order(STOP, "stop") << SendLine("stop") >> OutOfStorage(FULL) >> Exited(0, None)
    assert play.stands("stopped").memory.reason is None


def test_out_of_storage_is_remembered_over_a_restart_of_the_node() -> None:
    play = running() >> OutOfStorage(FULL, at_once=True) << Kill()
    play.restart_node() >> Exited(None, 9)
    play.stands("stopped", FULL)


def test_a_start_that_can_never_succeed_by_itself_is_not_tried_again() -> None:
    play = running() >> Exited(None, 25, cause="out of storage")
    play.stands("crashed", "out of storage; waits") >> seconds(2) << Prepare() >> PrepareRefused(FULL, lasting=True)
    play.stands("stopped", FULL).done()


def test_which_limit_ended_a_run_is_its_reason() -> None:
    play = running() >> Exited(None, 9, cause="out of memory (the limit is 64 MiB)")
    play.stands("crashed", "out of memory (the limit is 64 MiB); waits")
    play = starting() >> Exited(None, 9, cause="out of memory (the limit is 64 MiB)")
    assert play.end_of(START).reason == "out of memory (the limit is 64 MiB) before it was ready"
