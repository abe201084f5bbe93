"""A reader at the screen: a real JupyterLab in headless Chromium, for tests of widgets and lessons.

with laboratory(tmp_path) as lab:
    page = lab.open_lesson("notebooks/00.ipynb")      # a copy of it; `page` is Playwright's
    lab.run_all(page)
    assert not lab.errors_of_cells(page) and not lab.console_errors
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"autoStartDefaultKernel": True},
}

# JupyterLab's commands, and the notebook in front. The page has `jupyterapp` because of --expose-app-in-browser.
KERNEL_STATUS = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
CELLS = "() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map((cell) => cell.toJSON())"


def chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def why_not() -> str | None:
    """One line that says what is missing for a test in a browser, or None where nothing is."""
    try:
        import ipywidgets
        import jupyterlab  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        return f"the browser tests need {error.name}: pip install -e '.[lab,test]'"
    if ipywidgets.__version__.startswith("7."):  # as on Colab, whose own page shows them
        return f"JupyterLab 4 shows widgets of ipywidgets 8, and this is {ipywidgets.__version__}"
    return None if chromium() else "the browser tests need Chromium: apt-get install chromium (or Chrome)"


class Lab:
    """A running JupyterLab with a browser window in front of it; made by `laboratory`."""

    def __init__(self, context, address: str, token: str, folder: Path):
        self.context, self.address, self.token, self.folder = context, address, token, folder
        self.console_errors: list[str] = []

    def open_lesson(self, path: str | Path):
        """The page that shows a copy of the notebook `path`, its kernel ready. The notebook itself is never written."""
        name = Path(path).name
        shutil.copyfile(path, self.folder / name)
        page = self.context.new_page()
        page.on("console", lambda message: message.type == "error" and self._note(f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.goto(f"{self.address}/lab/workspaces/{secrets.token_hex(4)}/tree/{name}?token={self.token}")
        page.wait_for_function(f"({KERNEL_STATUS})() === 'idle'", timeout=60_000)
        return page

    def run_all(self, page, seconds: float = 120) -> None:
        """Runs every cell and returns when the kernel has nothing left to do."""
        self._command(page, "notebook:run-all-cells", seconds)

    def run_cell(self, page, index: int, seconds: float = 60) -> None:
        """Runs the cell number `index`, counted from 0, texts included."""
        page.evaluate("(index) => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index)
        self._command(page, "notebook:run-cell", seconds)

    def run_until(self, page, index: int, right: Callable[[str], bool], seconds: float = 60) -> str:
        """Runs the cell again until what it prints is `right`, and returns that.

        A widget's news reach the kernel beside the cells, in no order with them (JupyterLab 4.4 with ipykernel 7 sends
        them over a subshell): a cell that is run at once may not know the last stroke yet.
        """
        last = time.monotonic() + seconds
        while True:
            self.run_cell(page, index, seconds)
            if right(said := self.printed(page, index)) or time.monotonic() > last:
                return said
            page.wait_for_timeout(200)

    def printed(self, page, index: int) -> str:
        """What the cell number `index` has printed."""
        outputs = page.evaluate(CELLS)[index]["outputs"]
        return "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")

    def errors_of_cells(self, page) -> list[str]:
        """The errors that stand below the cells, as “NameError: …”."""
        outputs = [output for cell in page.evaluate(CELLS) for output in cell.get("outputs", [])]
        return [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]

    def _command(self, page, command: str, seconds: float) -> None:
        # Playwright waits for a promise without any limit, so the page only notes that the command has ended.
        page.evaluate(
            """(command) => {
                window.commandEnded = false;
                jupyterapp.commands.execute(command).finally(() => { window.commandEnded = true });
            }""",
            command,
        )
        page.wait_for_function("() => window.commandEnded", timeout=1000 * seconds)
        page.wait_for_function(f"({KERNEL_STATUS})() === 'idle'", timeout=1000 * seconds)

    def _note(self, error: str) -> None:
        self.console_errors.append(error)


@contextlib.contextmanager
def laboratory(folder: Path, *, dark: bool = False) -> Iterator[Lab]:
    """A JupyterLab on a free port of this computer; its settings and the browser's profile are new, inside `folder`."""
    from playwright.sync_api import sync_playwright

    notebooks = folder / "lab"
    notebooks.mkdir()
    with _server(notebooks, folder / "jupyter", dark) as (address, token), sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "chromium",
            executable_path=chromium(),
            args=CHROMIUM_ARGUMENTS,
            headless=True,
            viewport={"width": 1280, "height": 1000},
        )
        try:
            yield Lab(context, address, token, notebooks)
        finally:
            context.close()


@contextlib.contextmanager
def _server(notebooks: Path, home: Path, dark: bool) -> Iterator[tuple[str, str]]:
    settings = SETTINGS | {"apputils-extension/themes": {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}}
    for name, values in settings.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser", f"--port={port}",
        "--ip=127.0.0.1", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={notebooks}", "--LabApp.extension_manager=readonly", "--LabApp.collaborative=False",
    ]  # fmt: skip
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}", server, home / "server.log")
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.terminate()  # it ends its kernels before itself
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/api", timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def canvas_pixels(figure, canvas: str = "canvas") -> np.ndarray:
    """What the browser holds of a figure's canvas: (H, W, 4) uint8, red-green-blue and opacity."""
    height, width, data = figure.locator(canvas).evaluate(
        "(c) => [c.height, c.width, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.array(data, np.uint8).reshape(height, width, 4)
