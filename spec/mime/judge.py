"""What Python's email package reads in message files: for each a line "message
LONGEST-LINE", then for each part "part TYPE", "header NAME VALUE", "address NAME
ADDR", "filename NAME", "payload BYTES", "defect CLASS"; all values in hex.

With "--trees" as the first argument fields are as they stand in the message
("raw NAME VALUE"), the unstructured ones decoded besides, and there are "charset", "disposition",
"count" (of parts), "preamble" and "epilogue"."""
import sys
from email.headerregistry import UnstructuredHeader
from email.parser import BytesParser
from email.policy import compat32, default


def show(kind, *values):
    print(kind, *(v if isinstance(v, int) else
                  (v if isinstance(v, bytes) else str(v).encode("utf-8", "surrogateescape")).hex() or "-"
                  for v in values))


def show_fields(part):
    for name, value in part.items():
        show("header", name, value)
        for address in getattr(value, "addresses", ()):
            show("address", address.display_name, address.addr_spec)
        for defect in getattr(value, "defects", ()):
            show("defect", "%s in %s" % (type(defect).__name__, name))


def show_message(raw):
    message = BytesParser(policy=default).parsebytes(raw)
    show("message", max(len(line) for line in raw.split(b"\r\n")))
    for part in message.walk():
        show("part", part.get_content_type())
        show_fields(part)
        if part.get_filename() is not None:
            show("filename", part.get_filename())
        if not part.is_multipart():
            show("payload", part.get_payload(decode=True))
            if part.get_content_maintype() == "text":
                show("text", part.get_content())
        for defect in part.defects:
            show("defect", type(defect).__name__)


def show_decoded(name, value):
    """Structured fields are left out: Python rewrites them, and raises on some."""
    kind = default.header_factory.registry.get(name.lower(), UnstructuredHeader)
    if issubclass(kind, UnstructuredHeader):
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        show("header", name, default.header_fetch_parse(name, value))


def show_tree(raw):
    show("message", 0)
    for part in BytesParser(policy=compat32).parsebytes(raw).walk():
        show("part", part.get_content_type())
        for name, value in part.raw_items():
            show("raw", name, value)
            show_decoded(name, value)
        for kind, value in (("charset", part.get_content_charset()), ("disposition", part.get_content_disposition()),
                            ("filename", part.get_filename()), ("preamble", part.preamble),
                            ("epilogue", part.epilogue)):
            if value is not None:
                show(kind, value)
        if part.is_multipart():
            show("count", len(part.get_payload()))
        else:
            show("payload", part.get_payload(decode=True))
        for defect in part.defects:
            show("defect", type(defect).__name__)


paths = sys.argv[1:]
show_file = show_tree if paths[:1] == ["--trees"] else show_message
for path in paths:
    if path != "--trees":
        with open(path, "rb") as file:
            show_file(file.read())
