"""How an installer's foreign commands are executed: as the game itself would be, in the same folder and view.

Executes nothing, and knows neither installers nor what they run.
"""

from collections.abc import Mapping, Sequence

from innkeeper.contracts.installer import InstallFailed
from innkeeper.contracts.runtime import ExecPlan, Launch, Runtime, RuntimeRefused
from innkeeper.node.java import ChooseJava, NoSuchJava
from innkeeper.node.supervisor.place import ServerPlace
from innkeeper.node.supervisor.preparing import limits_of
from innkeeper.wire.messages import DesiredServer

RUN = "installation"


def plan_command(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    desired: DesiredServer,
    place: ServerPlace,
    runtime: Runtime,
    choose_java: ChooseJava,
) -> ExecPlan:
    """Return how to execute a command in the server's folder. Blocks. Raises InstallFailed."""
    try:
        readable = [place.shared, choose_java(desired.java).home]
    except NoSuchJava:  # whoever needs one has asked for it before
        readable = [place.shared]
    try:
        return runtime.plan(
            Launch(
                server=desired.uuid,
                number=desired.number,
                run_id=RUN,
                argv=list(argv),
                environment=dict(environment),
                folder=place.files,
                readable=readable,
                hidden=[place.root.parent],
                limits=limits_of(desired),
            )
        )
    except RuntimeRefused as error:
        raise InstallFailed(str(error)) from error
