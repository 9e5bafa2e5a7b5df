"""What is taken out of a log before strangers see it, what stays, and how long that takes at worst."""

import time

import pytest

from innkeeper.core.console.redaction import EMAIL, IPV4, IPV6, MAX_LINE, TOKEN, redacted


def shown(text: str) -> str:
    return "".join(redacted(text.split("\n")))[:-1]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (
            "Alice[/203.0.113.7:51234] logged in at (1.5, 64.0, -3.25)",
            f"Alice[/{IPV4}:51234] logged in at (1.5, 64.0, -3.25)",
        ),
        ("lost connection: 198.51.100.4.", f"lost connection: {IPV4}."),
        ("ip=10.0.0.5 and 192.168.1.1/24", f"ip={IPV4} and {IPV4}/24"),
        ("player-1.2.3.4:5", f"player-{IPV4}:5"),
        ("(203.0.113.7)", f"({IPV4})"),
        ("[/2001:db8::1]:25565", f"[/{IPV6}]:25565"),
        ("from 2001:0db8:85a3:0000:0000:8a2e:0370:7334 now", f"from {IPV6} now"),
        ("fe80::1%eth0", f"{IPV6}%eth0"),
        ("[::ffff:203.0.113.9]:5", f"[{IPV6}]:5"),
        ("2001:db8:0:0:0:0:203.0.113.9", IPV6),
        ("--accessToken abc123 --uuid 5", f"--accessToken {TOKEN} --uuid 5"),
        ("--access-token=xyz --username Bob", f"--access-token={TOKEN} --username Bob"),
        ('--password "a b" --x', f"--password {TOKEN} --x"),
        ("(Session ID is token:abcdef:123456)", f"(Session ID is {TOKEN})"),
        ("rcon.password=hunter2", f"rcon.password={TOKEN}"),
        ("management-server-secret=abcDEF", f"management-server-secret={TOKEN}"),
        ('{"token": "abc def", "x": 1}', f'{{"token": {TOKEN}, "x": 1}}'),
        ("?access_token=abc&b=2", f"?access_token={TOKEN}&b=2"),
        ("Authorization: Bearer abcdefghijkl", f"Authorization: Bearer {TOKEN}"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def.", f"got {TOKEN}."),
        ("key ink_abcdefghijklmnopqrstuvwxyz012345", f"key {TOKEN}"),
        ("https://discord.com/api/webhooks/123/AbC-dEf", f"https://discord.com/api/webhooks/123/{TOKEN}"),
        ("postgres://user:pw@db.example/x", f"postgres://{TOKEN}@db.example/x"),
        ("mail bob.smith+x@example.co.uk, please", f"mail {EMAIL}, please"),
    ],
)
def test_what_names_or_opens_somebodys_own_is_taken_out(line: str, left: str) -> None:
    assert shown(line) == left


@pytest.mark.parametrize(
    "line",
    [
        '[14:20:56] [Server thread/INFO]: Done (3.141s)! For help, type "help"',
        "Loading version 1.21.4.0 of it",
        "mod-1.21.4.0.jar and forge_1.21.4.0.zip",
        "v1.21.4.0 version: 1.21.4.0 version='1.21.4.0' build 1.2.3.4",
        "1.21.4.0-SNAPSHOT and 1.2.3.4.5",
        "Starting Minecraft server on 0.0.0.0:25565",
        "127.0.0.1:1234 and ::1",
        "999.1.1.1 is none",
        "std::fmt and minecraft:stone at 1:2:3 in 12:30:45:12",
        "minecraft@1.21.4 java.base@17.0.1 user@host",
        "The password is wrong; a token bucket",
        "Basic stuff and bearer bonds",
    ],
)
def test_what_only_looks_alike_stays(line: str) -> None:
    assert shown(line) == line


def test_lines_stay_lines_and_one_that_is_far_too_long_is_cut() -> None:
    text = shown("a" * 100_000 + "\nsecond\n\nfourth")
    assert text == "a" * MAX_LINE + "\nsecond\n\nfourth"


@pytest.mark.parametrize(
    "seed",
    [
        "a",
        "1.",
        ":",
        "ab:",
        "a.b@",
        "eyJ",
        " \t",
        "://a:",
        "token ",
        "basic\t",
        "--token",
        "a-",
        "a@a.",
        "sk-",
        "::1:2:3 ",
    ],
)
def test_no_line_takes_out_of_proportion_long(seed: str) -> None:
    def seconds(size: int) -> float:
        lines = [(seed * size)[:MAX_LINE] for _ in range(size // MAX_LINE)]
        begun = time.process_time()
        list(redacted(lines))
        return time.process_time() - begun

    small, large = seconds(8 * MAX_LINE), seconds(64 * MAX_LINE)
    assert large < 8 * small * 4 + 0.1
