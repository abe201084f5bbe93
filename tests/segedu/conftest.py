"""Made-up data sets in a folder that is the only place where real data is found."""

import hashlib

import pytest

from segedu import download, resources


class Stored:
    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch

    def __call__(self, name):
        """The folder of the data set, to be filled; nothing else is found from now on."""
        self.monkeypatch.setattr(download, "cache_folder", lambda: self.folder / "cache")
        self.monkeypatch.delenv("SEGEDU_DATA", raising=False)
        return self.folder / "cache" / name

    def list_files(self, folder, prefix):
        """Make the files that are now in the folder its manifest."""
        manifest = self.folder / "made_up.sha256"
        sums = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.*"))}
        lines = [f"{sums[path]}  {prefix}/{path.relative_to(folder).as_posix()}\n" for path in sums]
        manifest.write_text("".join(lines))
        self.monkeypatch.setattr(resources, "data_path", lambda *parts: manifest)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    return Stored(tmp_path, monkeypatch)
