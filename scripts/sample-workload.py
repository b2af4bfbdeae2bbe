"""The workload of `make demo`: a page that shows what reached it, and a stream of events. Standard library only."""

import html
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>It works</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:4rem auto;padding:0 1rem;color:#1c2333}}
h1{{font-weight:600}}table{{border-collapse:collapse;width:100%}}td{{padding:.3rem .6rem;border-top:1px solid #dde;
vertical-align:top;overflow-wrap:anywhere}}td:first-child{{color:#567;white-space:nowrap}}#clock{{color:#567}}</style>
<h1>It works</h1><p>This page comes from a server that listens on localhost only. The request reached it through a
connection that Warpgate dialled outwards; no port was opened. <span id="clock"></span></p>
<h2>What arrived</h2><table><tr><td>request</td><td>{line}</td></tr>{rows}</table>
<script>new EventSource("/events").onmessage=e=>document.getElementById("clock").textContent="Streamed: "+e.data</script>
</html>
"""


class Sample(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/events":
            return self.events()
        cells = ((html.escape(name), html.escape(value)) for name, value in self.headers.items())
        rows = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in cells)
        body = PAGE.format(line=html.escape(self.requestline), rows=rows).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                event = f"data: {time.strftime('%H:%M:%S')}\n\n".encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                self.wfile.flush()
                time.sleep(1)
        except OSError:
            self.close_connection = True


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sample).serve_forever()
