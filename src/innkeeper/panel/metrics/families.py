"""What there is to measure, as families of figures: of the house, of its hosts, of its servers.

Every figure is one that is known now; what is not known has no line. A server is told by its UUID, whose name can
change; there are so many series as servers, hosts and their disks, whatever games and players say. On the pages of one
host or one server stand the names that Crafty's users scrape, too. Knows no HTTP, and nobody's rights.

Imported when it is first needed: the library takes longer to load than most of a panel's start.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from innkeeper.core.metrics.model import HostUsage
from innkeeper.core.nodes.model import Node
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.lifecycle import ENDED, State
from innkeeper.panel.product import Product

_MIB = 1 << 20
_MHZ = 1_000_000


class Page(Collector):
    """Families that were gathered already, as the library's encoders take them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._families

    def encode(self, accept: str) -> tuple[bytes, str]:
        """Return the text in the format that `accept`, a header, asks for, and its content type."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self), content_type


def everything(product: Product, version: str) -> Page:
    """Return what there is of the whole house."""
    records = [record for record in product.directory.present() if record.server.state not in ENDED]
    hosts = product.metrics.hosts()
    return Page(
        [
            InfoMetricFamily("innkeeper_build", "The release of this panel.", {"version": version}),
            _states(records),
            *_nodes(product, product.nodes.known(), hosts),
            *_servers(records),
            *ProcessCollector(registry=None).collect(),
        ]
    )


def of_hosts(product: Product) -> Page:
    """Return what there is of all hosts; in Crafty's words, too, where there is one alone."""
    nodes, hosts = product.nodes.known(), product.metrics.hosts()
    families = _nodes(product, nodes, hosts)
    if len(hosts) == 1:
        (usage,) = hosts.values()
        families += [
            _gauge("CPU_Usage", "What is used of the processor, in percent.", {(): usage.cpu_percent}),
            _gauge("Mem_Usage", "What is used of memory, in percent.", {(): _memory_percent(usage)}),
        ]
    return Page(families)


def of_server(product: Product, record: Record) -> Page:
    """Return what there is of one server; in Crafty's words, too."""
    server, usage = record.server, record.live.usage
    host = product.metrics.hosts().get(server.node_id)
    label = (str(server.id),)
    families = [
        _gauge("CPU_Usage", "What it uses of the processor, in percent of a core.", {}, "server_id"),
        _gauge("Mem_Usage", "What it uses of its host's memory, in percent.", {}, "server_id"),
        _gauge("online_players", "How many are on it.", {label: float(len(record.live.players))}, "server_id"),
    ]
    if usage is not None:
        families[0].add_metric(label, usage.cpu_percent)
        if host is not None and host.memory_total_bytes:
            families[1].add_metric(label, round(usage.memory_bytes * 100 / host.memory_total_bytes, 2))
    release = InfoMetricFamily("Minecraft_Version", "The version that it runs.", labels=["server_id"])
    release.add_metric(label, {"version": server.version})
    return Page([*_servers([record]), *families, release])


def _states(records: list[Record]) -> Metric:
    found = dict.fromkeys(State, 0)
    for record in records:
        found[record.live.state] += 1
    counts: dict[tuple[str, ...], float] = {(str(state),): float(count) for state, count in found.items()}
    return _gauge("innkeeper_servers", "How many servers are in each state.", counts, "state")


def _servers(records: list[Record]) -> list[Metric]:
    labels = ("server", "name")
    told = (
        ("up", "Whether it runs."),
        ("cpu_percent", "What it uses of the processor; 100 is one core."),
        ("cpu_limit_percent", "What it may use of the processor."),
        ("memory_bytes", "What it uses of memory."),
        ("memory_limit_bytes", "What it may use of memory."),
        ("disk_bytes", "What its files take, as they were measured last."),
        ("disk_limit_bytes", "What its files may take."),
        ("players", "How many are on it."),
        ("heap_bytes", "What is used of the heap of its Java virtual machine."),
        ("heap_max_bytes", "How large that heap may become."),
        ("tick_milliseconds", "How long its ticks take, while somebody looks."),
        ("start_timestamp_seconds", "When its process was started."),
        ("crashes", "How often it crashed lately."),
    )
    families = {name: _gauge(f"innkeeper_server_{name}", text, {}, *labels) for name, text in told}
    state = _gauge("innkeeper_server_state", "The state that it is in.", {}, *labels, "state")
    info = InfoMetricFamily("innkeeper_server", "What it is.", labels=labels)
    for record in records:
        server = record.server
        label = (str(server.uuid), server.name)
        for name, value in _figures(record):
            if value is not None:
                families[name].add_metric(label, value)
        state.add_metric((*label, str(record.live.state)), 1)
        info.add_metric(label, {"package": server.package, "runtime": server.runtime, "version": server.version})
    return [info, state, *families.values()]


def _figures(record: Record) -> Iterator[tuple[str, float | None]]:
    server, live, usage = record.server, record.live, record.live.usage
    yield "up", float(live.state is State.RUNNING)
    yield "players", len(live.players)
    yield "crashes", live.crashes
    yield "start_timestamp_seconds", live.started_at.timestamp() if live.started_at is not None else None
    yield "cpu_limit_percent", server.limits.cpu_percent
    yield "memory_limit_bytes", server.limits.memory_mib * _MIB if server.limits.memory_mib is not None else None
    yield "disk_limit_bytes", server.limits.disk_mib * _MIB if server.limits.disk_mib is not None else None
    if usage is not None:
        yield "cpu_percent", usage.cpu_percent
        yield "memory_bytes", usage.memory_bytes
        yield "disk_bytes", usage.disk_bytes
        yield "heap_bytes", usage.heap_bytes
        yield "heap_max_bytes", usage.heap_max_bytes
        yield "tick_milliseconds", usage.tick_ms


def _nodes(product: Product, nodes: list[Node], hosts: dict[int, HostUsage]) -> list[Metric]:
    told = (
        ("up", "Whether it is heard of."),
        ("servers", "How many servers it keeps."),
        ("cpu_percent", "What is used of its processor; 100 is all its cores."),
        ("cpus", "How many cores it has."),
        ("cpu_frequency_hertz", "How fast they are now."),
        ("cpu_frequency_max_hertz", "How fast they can be."),
        ("memory_bytes", "What is used of its memory."),
        ("memory_total_bytes", "How much memory it has."),
        ("boot_timestamp_seconds", "When it was booted."),
    )
    families = {name: _gauge(f"innkeeper_node_{name}", text, {}, "node") for name, text in told}
    disks = {
        name: _gauge(f"innkeeper_node_disk_{name}_bytes", text, {}, "node", "mount", "device", "filesystem")
        for name, text in (
            ("total", "How large a file system is."),
            ("used", "What is used of it."),
            ("free", "What programs may still take of it."),
        )
    }
    for node in nodes:
        usage, label = hosts.get(node.id), (node.name,)
        families["up"].add_metric(label, float(product.nodes.is_online(node.id)))
        families["servers"].add_metric(label, product.nodes.promised(node.id).servers)
        if usage is None:
            continue
        for name, value in _host_figures(usage):
            if value is not None:
                families[name].add_metric(label, value)
        for disk in usage.disks:
            place = (node.name, disk.mount, disk.device, disk.filesystem)
            disks["total"].add_metric(place, disk.total_bytes)
            disks["used"].add_metric(place, disk.used_bytes)
            disks["free"].add_metric(place, disk.free_bytes)
    return [*families.values(), *disks.values()]


def _host_figures(usage: HostUsage) -> Iterator[tuple[str, float | None]]:
    yield "cpu_percent", usage.cpu_percent
    yield "cpus", usage.cpus
    yield "cpu_frequency_hertz", usage.cpu_mhz * _MHZ if usage.cpu_mhz is not None else None
    yield "cpu_frequency_max_hertz", usage.cpu_mhz_max * _MHZ if usage.cpu_mhz_max is not None else None
    yield "memory_bytes", usage.memory_bytes
    yield "memory_total_bytes", usage.memory_total_bytes
    yield "boot_timestamp_seconds", usage.booted_at.timestamp()


def _memory_percent(usage: HostUsage) -> float:
    return round(usage.memory_bytes * 100 / usage.memory_total_bytes, 2)


def _gauge(name: str, text: str, values: dict[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family
