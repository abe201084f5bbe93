"""A small file server on 127.0.0.1 that behaves, or misbehaves, as a test of fetching wants."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading


@contextlib.contextmanager
def serving(contents: dict[str, bytes], *, ranges: bool = True, cut_after: int | None = None):
    """A `with` block in which a server gives out `contents`: hands out its address and the list of what was asked.

    contents: {"/path": bytes}; anything else is a 404. ranges: whether it can continue a file.
    cut_after: it promises the whole file but closes the connection after so many bytes.
    The list holds (path, Range header or None), one entry a request.
    """
    requests: list[tuple[str, str | None]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.path, self.headers["Range"]))
            content = contents.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers["Range"] else 0
            if ranges and start:
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                content = content[start:]
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:cut_after])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
