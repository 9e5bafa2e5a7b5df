"""The installer `files`: write the texts that a step carries, such as launch scripts and first configuration files.

What is there already is the user's and stays, unless the step says otherwise. Refuses to know what the texts mean.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from innkeeper.contracts.installer import Folder, FolderError, InstallFailed, Place
from innkeeper.kit.tasks import in_thread


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its whole text, whether it may be executed, and whether it replaces what is there."""

    text: str
    executable: bool = False
    overwrite: bool = False


class FilesStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step of `files`: the path of each file, and its text or a `Text`."""

    files: dict[str, str | Text]
    uses: str = "files"
    key: str = ""


class FilesInstaller:
    """Write texts."""

    name = "files"

    async def install(self, step: Mapping[str, Any], place: Place) -> None:
        """See `contracts.installer.Installer.install` and `FilesStep`."""
        try:
            wanted = msgspec.convert(step, FilesStep)
        except msgspec.ValidationError as error:
            raise InstallFailed(f"The install step is not understood: {error}") from error
        # Cancelled meanwhile, the thread writes its few small files to the end; each of them is whole.
        await in_thread(_write_all, wanted, place.folder)
        place.report(f"Wrote {len(wanted.files)} files", 1.0)


def _write_all(step: FilesStep, folder: Folder) -> None:
    for path, given in step.files.items():
        file = Text(given) if isinstance(given, str) else given
        try:
            if folder.exists(path) and not file.overwrite:
                continue
            above, _, _ = path.rpartition("/")
            folder.make_directory(above, parents=True)
            mode = 0o755 if file.executable else 0o644
            folder.write(path, file.text.encode(), mode=mode, replace=file.overwrite)
        except FolderError as error:
            raise InstallFailed(f"{path!r} cannot be written: {error}") from error
