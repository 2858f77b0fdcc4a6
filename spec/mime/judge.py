"""What Python's email package reads in message files: for each a line "message
LONGEST-LINE", then for each part "part TYPE", "header NAME VALUE", "address NAME
ADDR", "filename NAME", "payload BYTES", "defect CLASS"; all values in hex."""
import sys
from email.parser import BytesParser
from email.policy import default


def show(kind, *values):
    print(kind, *(v if isinstance(v, int) else
                  (v if isinstance(v, bytes) else str(v).encode("utf-8", "surrogateescape")).hex() or "-"
                  for v in values))


for path in sys.argv[1:]:
    with open(path, "rb") as file:
        raw = file.read()
    message = BytesParser(policy=default).parsebytes(raw)
    show("message", max(len(line) for line in raw.split(b"\r\n")))
    for part in message.walk():
        show("part", part.get_content_type())
        for name, value in part.items():
            show("header", name, value)
            for address in getattr(value, "addresses", ()):
                show("address", address.display_name, address.addr_spec)
            for defect in getattr(value, "defects", ()):
                show("defect", "%s in %s" % (type(defect).__name__, name))
        if part.get_filename() is not None:
            show("filename", part.get_filename())
        if not part.is_multipart():
            show("payload", part.get_payload(decode=True))
        for defect in part.defects:
            show("defect", type(defect).__name__)
