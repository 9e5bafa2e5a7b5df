"""One large file up and down over our own API: bytes a second, and by how much the serving process grows meanwhile.

The limit is `cat` through a loopback socket, with the same client: the file is sent by `cat`, what comes is read in
large gulps and, of an upload, written by `cat` and brought to the disk as ours is.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.options import Options
from bench.report import Report
from bench.serving import API, Serve

GULP = 1 << 20
MIB = 1 << 20
TARGET_MIB = 16
NAME = "large.bin"


def run(options: Options, report: Report) -> None:
    """Measure."""
    size = options.transfer_mib * MIB
    report.heading(f"transfers, {options.transfer_mib:,} MiB")
    with Serve() as serve:
        server = serve.create("transfers")
        source, kept = serve.root / "source", serve.root / "kept"
        fill(source, size)
        path = f"/servers/{server['id']}/files/content?path={NAME}"
        ups, downs, up_limits, down_limits = [], [], [], []
        up_grown, down_grown, up_cpu, down_cpu = [], [], [], []
        for repeat in range(options.repeats):
            if options.with_limit(repeat):
                up_limits.append(bare_upload(source, kept))
                down_limits.append(bare_download(source, size))
            for seconds, grown, cpu, transfer in (
                (ups, up_grown, up_cpu, lambda: upload(serve, path, source, size)),
                (downs, down_grown, down_cpu, lambda: download(serve, path, size)),
            ):
                spent: list[float] = []
                with serve.cpu(spent):
                    resting = forget_peak(serve.pid)
                    seconds.append(transfer())
                    grown.append(peak_mib(serve.pid) - resting)
                cpu.append(spent[0] / options.transfer_mib * 1024)
        assert (serve.files(server) / NAME).stat().st_size == size
        for what, seconds, limits, grown, cpu in (
            ("upload", ups, up_limits, up_grown, up_cpu),
            ("download", downs, down_limits, down_grown, down_cpu),
        ):
            rates = [options.transfer_mib / each for each in seconds]
            report.more("transfers", what, "MiB/s", rates, limit=options.transfer_mib / min(limits))
            report.less("transfers", f"{what}: serve", "s cpu/GiB", cpu)
            report.less("transfers", f"{what}: serve grows by", "MiB", grown, target=TARGET_MIB)


# -- ours -----------------------------------------------------------------------------------------------------------


def upload(serve: Serve, path: str, source: Path, size: int) -> float:
    """Upload a file; return the seconds until it was taken."""
    with connected(serve.host, serve.port) as connection:
        begun = time.perf_counter()
        connection.sendall(head(serve, "PUT", path, f"Content-Length: {size}"))
        pour(source, connection)
        status, _ = answer(connection)
        if status != 204:
            raise RuntimeError(f"the upload was answered {status}")
        return time.perf_counter() - begun


def download(serve: Serve, path: str, size: int) -> float:
    """Download a file and drop it; return the seconds it took."""
    with connected(serve.host, serve.port) as connection:
        begun = time.perf_counter()
        connection.sendall(head(serve, "GET", path))
        status, beginning = answer(connection)
        came = len(beginning) + drain(connection)
        if status != 200 or came != size:
            raise RuntimeError(f"the download was answered {status}, and {came} of {size} bytes came")
        return time.perf_counter() - begun


def head(serve: Serve, method: str, path: str, *more: str) -> bytes:
    """Return a request's head, for a connection that ends with it."""
    lines = [f"{method} {API}{path} HTTP/1.1", "Host: bench", "Connection: close", *more]
    lines += [f"{name}: {value}" for name, value in serve.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return an answer's status, and what came behind its head."""
    came = b""
    while b"\r\n\r\n" not in came:
        more = connection.recv(65536)
        if not more:
            raise RuntimeError(f"no answer but {came!r}")
        came += more
    return int(came.split(b" ", 2)[1]), came.partition(b"\r\n\r\n")[2]


# -- the least ------------------------------------------------------------------------------------------------------


def bare_upload(source: Path, kept: Path) -> float:
    """Bring a file through a socket to the disk; return the seconds it took."""
    with pair() as (near, far), kept.open("wb") as file:
        begun = time.perf_counter()
        with subprocess.Popen(["cat"], stdin=far, stdout=file) as writer:
            far.close()
            pour(source, near)
            near.shutdown(socket.SHUT_WR)
            if writer.wait():
                raise RuntimeError("cat failed")
        os.fsync(file.fileno())
        seconds = time.perf_counter() - begun
    kept.unlink()
    return seconds


def bare_download(source: Path, size: int) -> float:
    """Bring a file through a socket, and drop it; return the seconds it took."""
    with pair() as (near, far), source.open("rb") as file:
        begun = time.perf_counter()
        with subprocess.Popen(["cat"], stdin=file, stdout=far) as reader:
            far.close()
            came = drain(near)
            if reader.wait() or came != size:
                raise RuntimeError("cat failed")
        return time.perf_counter() - begun


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection over the loopback device."""
    with socket.create_server(("127.0.0.1", 0)) as listening, connected(*listening.getsockname()) as near:
        far, _ = listening.accept()
        with far:
            yield near, far


# -- round about ----------------------------------------------------------------------------------------------------


def fill(path: Path, size: int) -> None:
    """Write a file of that many bytes that nothing can make smaller."""
    part = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(part)
        os.fsync(file.fileno())


@contextmanager
def connected(host: str, port: int) -> Iterator[socket.socket]:
    """Give a connection."""
    with socket.create_connection((host, port), timeout=120) as connection:
        connection.setblocking(True)
        yield connection


def pour(source: Path, connection: socket.socket) -> None:
    """Send a whole file by `cat`."""
    with source.open("rb") as file:
        subprocess.run(["cat"], stdin=file, stdout=connection, check=True)


def drain(connection: socket.socket) -> int:
    """Read until the other side ends; return how many bytes came."""
    buffer, came = bytearray(GULP), 0
    while count := connection.recv_into(buffer):
        came += count
    return came


def forget_peak(pid: int) -> float:
    """Begin to measure a process's highest memory; return what it has now, in MiB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had since `forget_peak`, in MiB."""
    return _status_mib(pid, "VmHWM")


def _status_mib(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel tells no {what}")
