"""The contract of config formats over every format there is."""

from innkeeper.drivers.configfiles.ini import Ini
from innkeeper.drivers.configfiles.json import Json
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.drivers.configfiles.toml import Toml
from innkeeper.drivers.configfiles.yaml import Yaml
from innkeeper.testing.config_suite import ConfigSuite, KeySuite, Specimen


class TestKeys(KeySuite):
    pass


class TestProperties(ConfigSuite):
    specimen = Specimen(
        format=Properties(),
        sample=b"#Written by hand\n\nserver-port = 25565\nmotd=Hello\\u0021\nlist: a, \\\n    b\n! end\nlast=\n",
        values={"server-port": "25565", "motd": "Hello!", "list": "a, b", "last": ""},
        raw={"server-port": b"25565", "motd": b"Hello\\u0021", "list": b"a, \\\n    b"},
        changes={"server-port": 25570, "motd": "Good bye", "list": ["c", "d"]},
        hostile=(
            b"a=" + b"\\\n" * 200_000,
            b"=" * 400_000,
            b"a=1\n" * 100_000,
        ),
        typed=False,
        nested=False,
        bom=False,
    )


class TestIni(ConfigSuite):
    specimen = Specimen(
        format=Ini(),
        sample=b'; first\nname=Inn\n\n[net]\n  port = 34197\nhost : "0.0.0.0"\n# c\n\n'
        b"[ game.rules ]\npvp=true\nadmins=\n;end\n",
        values={
            "name": "Inn",
            "net.port": "34197",
            "net.host": "0.0.0.0",
            r"game\.rules.pvp": "true",
            r"game\.rules.admins": "",
        },
        raw={"name": b"Inn", "net.port": b"34197", "net.host": b"0.0.0.0", r"game\.rules.pvp": b"true"},
        changes={"name": "Out", "net.port": 1, "net.host": "10.0.0.1", r"game\.rules.pvp": False},
        broken=(
            b"a=1\n[net\n",
            b"\xff\xfea\0=\0001\0",
        ),
        hostile=(
            b"[" + b"s" * 200_000 + b"]\n" + b"a=1\n" * 50_000,
            b"[a]\n" * 100_000,
            b"a" * 400_000,
            b" " * 400_000,
        ),
        typed=False,
        lines=False,
        any_key=False,
    )


class TestJson(ConfigSuite):
    specimen = Specimen(
        format=Json(),
        sample=(
            b'{\n  "_comment": "by hand",\n  "port" : 25565,\n  "rate": 1.50, "pvp":true,\n  "limits": {\n'
            b'    "memory.mib": -1,\n    "none": null\n  },\n  "admins": [\n    "ann",\n    "bob"\n  ],\n'
            b'  "ids": [1, 2.0]'
            b',\n  "mods": [{"id": 1}],\n  "empty": {}\n}\n'
        ),
        values={
            "_comment": "by hand",
            "port": 25565,
            "rate": 1.5,
            "pvp": True,
            r"limits.memory\.mib": -1,
            "limits.none": "",
            "admins": ["ann", "bob"],
            "ids": ["1", "2.0"],
        },
        raw={
            "_comment": b'"by hand"',
            "port": b"25565",
            "rate": b"1.50",
            "pvp": b"true",
            r"limits.memory\.mib": b"-1",
            "limits.none": b"null",
            "admins": b'"ann",\n    "bob"',
            "ids": b"1, 2.0",
        },
        changes={
            "_comment": "changed",
            "port": 25570,
            "rate": 2,
            "pvp": False,
            r"limits.memory\.mib": 2048,
            "limits.none": "some",
            "admins": ["ann", "cleo", "bob", "dan"],
            "ids": ["1"],
        },
        broken=(
            b"{",
            b"[]",
            b"1",
            b'{"a": NaN}',
            b'{"a": -Infinity}',
            b'{"a": 1,}',
            b"// no\n{}",
            b"[" * 100_000,
            b'{"a":' * 200 + b"1" + b"}" * 200,
            b'\xff{"a": 1}',
            b'{"a": 1} {}',
        ),
        hostile=(
            b'{"a": ' + b"9" * 400_000 + b"}",
            b'{"' + b"k" * 200_000 + b'": {' + b",".join(b'"%d": 1' % n for n in range(20_000)) + b"}}",
            b'{"a": [' + b"1," * 200_000 + b"1]}",
            b'{"a": 1e999999999}',
            b'{"a": "' + b"\\" * 400_000 + b'"}',
            b'{"' + b"\\u0020" * 100_000,
        ),
    )


class TestToml(ConfigSuite):
    specimen = Specimen(
        format=Toml(),
        sample=(
            b"# by hand\nbind = \"0.0.0.0:25577\" # where\nmotd = '<red>Inn'\nport=25565\nrate = 1.50\n\n[servers]\n"
            b'lobby = "127.0.0.1:30066"\ntry = [\n    "lobby", # first\n    "hub",\n]\nids = [1, 2]\n\n[advanced] # c\n'
            b'proxy-protocol = false\nlimits = { memory = 512, "a.b" = "x" }\nlogin.rate = 3000\nsince = 2020-01-01\n'
            b'\n[[mods]]\nname = "m"\n'
        ),
        values={
            "bind": "0.0.0.0:25577",
            "motd": "<red>Inn",
            "port": 25565,
            "rate": 1.5,
            "servers.lobby": "127.0.0.1:30066",
            "servers.try": ["lobby", "hub"],
            "servers.ids": ["1", "2"],
            "advanced.proxy-protocol": False,
            "advanced.limits.memory": 512,
            r"advanced.limits.a\.b": "x",
            "advanced.login.rate": 3000,
            "advanced.since": "2020-01-01",
        },
        raw={
            "bind": b'"0.0.0.0:25577"',
            "motd": b"<red>Inn",
            "port": b"25565",
            "rate": b"1.50",
            "servers.try": b'"lobby", # first\n    "hub"',
            "servers.ids": b"1, 2",
            "advanced.proxy-protocol": b"false",
            "advanced.limits.memory": b"512",
            "advanced.login.rate": b"3000",
            "advanced.since": b"2020-01-01",
        },
        changes={
            "bind": 'a"b',
            "motd": "<blue>Out",
            "port": 1,
            "rate": 2,
            "servers.try": ["lobby", "one", "hub"],
            "servers.ids": ["1", "22", "3"],
            "advanced.proxy-protocol": True,
            "advanced.limits.memory": 1024,
            "advanced.login.rate": 1,
            "advanced.since": "2021-02-03",
        },
        broken=(
            b"a = 1\na = 2\n",
            b"a",
            b"a = ",
            b"[a",
            b"a = [1",
            b"a = " + b"[" * 100_000,
            b"a." * 100_000 + b"b = 1",
            b"[" + b"a." * 100_000 + b"b]",
            b'a = """',
            b"a = {b = 1",
            b"\xff",
            b"a = 1 b = 2",
        ),
        hostile=(
            b"a = " + b"9" * 400_000,
            b"a = 0x" + b"f" * 400_000,
            b'["' + b"k" * 200_000 + b'"]\n' + b"".join(b"k%d = 1\n" % n for n in range(20_000)),
            b"a = [" + b"1," * 100_000 + b"]",
            b"a = '''" + b"''a" * 100_000,
            b'a = "' + b"\\" * 300_000,
            b"".join(b"[t%d]\n" % n for n in range(20_000)),
        ),
    )


class TestYaml(ConfigSuite):
    specimen = Specimen(
        format=Yaml(),
        sample=(
            b"# by hand\nsettings:\n  motd: 'It''s an inn'  # shown\n  port: 25565\n  rate: 1.50\n  pvp: true\n"
            b'  none:\n  quoted: "a\\tb"\n\nadmins:\n- ann # first\n- bob\nids: [1, 2]\nflow: {a.b: x, n: 0x10}\n'
            b"text: |\n"
            b"  one\n  two\nworld: plain text\n# end\n"
        ),
        values={
            "settings.motd": "It's an inn",
            "settings.port": 25565,
            "settings.rate": 1.5,
            "settings.pvp": True,
            "settings.none": "",
            "settings.quoted": "a\tb",
            "admins": ["ann", "bob"],
            "ids": ["1", "2"],
            r"flow.a\.b": "x",
            "flow.n": 16,
            "text": "one\ntwo\n",
            "world": "plain text",
        },
        raw={
            "settings.motd": b"It''s an inn",
            "settings.port": b"25565",
            "settings.rate": b"1.50",
            "settings.pvp": b"true",
            "settings.quoted": b"a\\tb",
            "admins": b"ann # first\n- bob",
            "ids": b"1, 2",
            r"flow.a\.b": b"x,",
            "flow.n": b"0x10",
            "text": b"|\n  one\n  two",
            "world": b"plain text",
        },
        changes={
            "settings.motd": "Don't",
            "settings.port": 1,
            "settings.rate": 2,
            "settings.pvp": False,
            "settings.quoted": "c",
            "admins": ["ann", "cleo", "bob"],
            "ids": ["1", "22", "3"],
            "flow.n": 3,
            "text": "one\nthree",
            "world": "yes",
        },
        broken=(
            b"a: [1",
            b"- a\n- b\n",
            b"just text",
            b"a: 1\n---\nb: 2\n",
            b"a: b: c\n",
            b"\ta: 1\n",
            b"[" * 100_000,
            b"a:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 200)),
            b"\xff",
            b"a: \x01\n",
            b"a: " + b"x" * 600_000,
            b"- " * 50_000,
            b"? " * 50_000,
        ),
        hostile=(
            b"a: &a [x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b"*%c," % (97 + n) * 9) for n in range(20)),
            b"a: &a " + b"x" * 10_000 + b"\n" + b"".join(b"b%d: *a\n" % n for n in range(5_000)),
            b"a: !!python/object/apply:os.system ['false']\nb: !!int 5\n",
            b"a: " + b"9" * 100_000,
            b"a: 0x" + b"f" * 100_000,
            b"k" * 900 + b":\n" + b"".join(b"  k%d: 1\n" % n for n in range(5_000)),
            b"a: '" + b"''" * 100_000,
            b"a: [" + b"[]," * 10_000 + b"]",
            b"a: {" + b"a, " * 10_000 + b"}",
            b"#" * 400_000,
            b" \n" * 100_000,
            b"a: |\n" + b"  \n" * 100_000,
            b'a: "' + b" \n" * 50_000,
            b"a: x" + b"\n  x" * 30_000,
            b"<<: &x {a: 1}\nb: &b\n  <<: *x\n",
        ),
    )
