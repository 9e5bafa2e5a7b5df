"""Builds the stand-in for Minecraft's own server jar (`vanilla/Vanilla.java`), which needs a Java development kit.

What it plays by is a flying-squid that was installed on this host. Knows no mirror and no product.
"""

import io
import subprocess
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parent / "vanilla" / "Vanilla.java"


def vanilla_jar(folder: Path, script: Path, version: str) -> bytes:
    """Return a server jar that has flying-squid's launch `script` play `version`; `folder` is for what javac makes."""
    subprocess.run(["javac", "-d", str(folder), str(SOURCE)], check=True, capture_output=True)
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: Vanilla\n\n")
        archive.writestr("game", f"{script}\n{version}\n")
        for compiled in sorted(folder.glob("*.class")):
            archive.write(compiled, compiled.name)
    return jar.getvalue()
