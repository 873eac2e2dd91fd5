"""A local web server that misbehaves as real ones do."""

from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

NAME = "pictures.bin"
CONTENT = bytes(range(256)) * 1024 * 2  # 512 KiB
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Site:
    """Files on a server, one unless a test adds more, and how the server treats those who ask for them."""

    files: dict[str, bytes] = field(default_factory=lambda: {NAME: CONTENT})
    tag: str = '"first"'
    ranges: bool = True
    cut: int | None = None  # bytes of a body after which the connection is closed
    chunked: bool = False  # in place of a Content-Length
    most: int | None = None  # bytes that it sends of a range
    shift: int = 0  # bytes by which the start that Content-Range says is wrong
    surplus: int = 0  # and by which its total is
    first: list[Answer] = field(default_factory=list)  # answers before it behaves
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # (path, Range) of each request
    resume: Event = field(default_factory=Event)  # what a stalled body waits for
    stall: int | None = None  # bytes after which the body waits
    url: str = ""  # of the one file

    @property
    def content(self) -> bytes:
        return self.files[NAME]

    @content.setter
    def content(self, content: bytes) -> None:
        self.files[NAME] = content

    def address(self, name: str) -> str:
        return self.url.removesuffix(NAME) + name

    @property
    def ranges_asked(self) -> list[str | None]:
        return [wanted for _, wanted in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        site: Site = self.server.site
        wanted = self.headers["Range"]
        site.asked.append((self.path, wanted))
        assert self.headers["Accept-Encoding"] == "identity"
        if site.first:
            return self.answer(*site.first.pop(0))
        content = site.files.get(self.path.removeprefix("/"))
        if content is None:
            return self.answer(404, {}, b"no such file")
        headers = {"ETag": site.tag, "Content-Type": "application/x-tar", **site.headers}
        if wanted is None or not site.ranges or self.headers["If-Range"] != site.tag:
            return self.answer(200, headers, content)
        start, size = int(wanted.removeprefix("bytes=").removesuffix("-")), len(content)
        if start >= size:
            return self.answer(416, {"Content-Range": f"bytes */{size}"}, b"")
        end = min(size, start + (site.most or size))
        said = {"Content-Range": f"bytes {start + site.shift}-{end - 1}/{size + site.surplus}"}
        return self.answer(206, headers | said, content[start:end])

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        site: Site = self.server.site
        self.send_response(status)
        length = {"Transfer-Encoding": "chunked"} if site.chunked else {"Content-Length": str(len(body))}
        for name, value in (headers | length).items():
            self.send_header(name, value)
        self.end_headers()
        if site.chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        self.wfile.write(body[: min(site.cut or len(body), site.stall or len(body))])
        if site.stall is not None:
            site.resume.wait()
            self.wfile.write(body[site.stall :])
        self.close_connection = True


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that was killed is no fault of the server's."""
