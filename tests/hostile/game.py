"""A game for hostile tests. It says each line it is given, quoted, and does what the line asks.

No braces: what stands in braces in a command is filled in by Innkeeper.
"""

# Plain and old-fashioned on purpose: it is packed into one argument.
# ruff: noqa: PTH109, PTH120, PTH123, PTH211, SIM115, C408, UP031
import json
import os
import sys

WORDS = sys.stdin.buffer


def say(text):
    os.write(1, (text + "\n").encode())


def try_to(what, *arguments):
    try:
        return repr(what(*arguments))[:300]
    except OSError as error:
        return "refused: " + (error.strerror or "?")


def read(path):
    with open(path, "rb") as file:
        return file.read(200)


def write(path):
    with open(path, "wb") as file:
        return file.write(b"x")


def look(path):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    say(
        "seen "
        + json.dumps(
            dict(
                uid=os.getresuid(),
                gid=os.getresgid(),
                groups=os.getgroups(),
                fds=[
                    try_to(os.readlink, "/proc/self/fd/%d" % fd)
                    for fd in range(3, 256)
                    if os.path.lexists("/proc/self/fd/%d" % fd)
                ],
                env=dict(os.environ),
                new_privs=status["NoNewPrivs"].strip(),
                caps=status["CapEff"].strip(),
                database=try_to(read, path + "/innkeeper.db"),
                key=try_to(read, path + "/first-key"),
                data=try_to(os.listdir, path),
                node=try_to(os.listdir, path + "/node"),
                servers=try_to(os.listdir, os.path.dirname(os.path.dirname(os.getcwd()))),
                shadow=try_to(read, "/etc/shadow"),
                outside=try_to(write, "/etc/innkeeper-was-here"),
                parent=try_to(read, "/proc/%d/environ" % os.getppid()),
            )
        )
    )


def act(words):
    verb, rest = words[0], words[1:]
    if verb == "hex":
        os.write(1, bytes.fromhex(rest[0]))
    elif verb == "long":
        os.write(1, b"L" * int(rest[0]) + b"\n")
    elif verb == "flood":
        for number in range(int(rest[0])):
            os.write(1, b"flood %d " % number + b"x" * 900 + b"\n")
    elif verb == "link":
        os.symlink(rest[0], rest[1])
    elif verb == "fifo":
        os.mkfifo(rest[0])
    elif verb == "make":
        write(bytes.fromhex(rest[0]))
    elif verb == "look":
        look(rest[0])
    elif verb == "stop":
        sys.exit(0)


say("ready to play")
for line in WORDS:
    say("got " + ascii(line))
    words = line.decode("utf-8", "replace").split()
    try:
        if words:
            act(words)
    except (OSError, ValueError, IndexError) as error:
        say("failed " + ascii(error))
    say("done")
