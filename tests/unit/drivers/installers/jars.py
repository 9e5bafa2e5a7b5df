"""Jars that tests run, built on the spot."""

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("Maker.java")


def maker_jar(folder: Path) -> bytes:
    """Return a runnable jar of `Maker`, built in `folder`, for every Java since 11."""
    subprocess.run(["javac", "--release", "11", "-d", str(folder), str(SOURCE)], check=True, capture_output=True)
    jar = folder / "maker.jar"
    arguments = ["--create", "--file", str(jar), "--main-class", "Maker", "-C", str(folder), "Maker.class"]
    subprocess.run(["jar", *arguments], check=True, capture_output=True)
    return jar.read_bytes()
