"""Header fields as Python's email package reads and writes them, for
property_header_spec.lua; every text is in hex ("-" for none).

"read FILE": each line of the file is a message; for each are printed "message
LONGEST-LINE", "subject TEXT", "group NAME" (before its addresses; no NAME for
an address by itself), "address NAME ADDR", "reference ID", "keywords TEXT",
"param NAME VALUE", "filename TEXT", "defect TEXT".
"make FILE": each line is "POLICY SUBJECT FILENAME NAME ADDR NAME ADDR …", a
message to compose; "raw BYTES" follows what is read in it; "message 0" alone where Python raised."""
import contextlib
import io
import sys
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import SMTP, default
from email.utils import formataddr


def text_of(word):
    return "" if word == "-" else bytes.fromhex(word).decode("utf-8")


def show(kind, *values):
    print(kind, *(v if isinstance(v, int) else
                  (v if isinstance(v, bytes) else (v or "").encode("utf-8", "surrogateescape")).hex() or "-"
                  for v in values))


def show_message(raw):
    message = BytesParser(policy=default).parsebytes(raw)
    head = raw.replace(b"\r\n", b"\n").split(b"\n\n")[0]
    show("message", max(len(line) for line in head.split(b"\n")))
    show("subject", str(message["Subject"] or ""))
    show("keywords", str(message["Keywords"] or ""))
    for group in message["To"].groups if message["To"] else ():
        show("group", group.display_name)
        for address in group.addresses:
            show("address", address.display_name, address.addr_spec)
    for identifier in str(message["References"] or "").split():
        show("reference", identifier)
    if message["Content-Type"]:
        for name, value in message["Content-Type"].params.items():
            show("param", name, value)
    if message.get_filename() is not None:
        show("filename", message.get_filename())
    for name, value in message.items():
        for defect in getattr(value, "defects", ()):
            show("defect", "%s in %s" % (type(defect).__name__, name))
    for defect in message.defects:
        show("defect", type(defect).__name__)


def modern(subject, filename, mailboxes):
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["To"] = [Address(name, addr_spec=addr) for name, addr in mailboxes]
    message.set_content("x")
    message.add_header("Content-Disposition", "attachment", filename=filename)
    return message.as_bytes()


def classic(subject, filename, mailboxes):
    message = Message()
    message["Subject"] = Header(subject, "utf-8", header_name="Subject")
    message["To"] = ", ".join(formataddr(mailbox) for mailbox in mailboxes)
    message.add_header("Content-Disposition", "attachment", filename=("utf-8", "", filename))
    message.set_payload("x")
    return message.as_bytes()


mode, path = sys.argv[1:]
with open(path, encoding="ascii") as lines:
    for line in lines:
        words = line.split()
        if mode == "read":
            show_message(bytes.fromhex(words[0]))
        else:
            texts = [text_of(word) for word in words[1:]]
            make = {"modern": modern, "classic": classic}[words[0]]
            said = io.StringIO()
            try:
                with contextlib.redirect_stdout(said):
                    raw = make(texts[0], texts[1], list(zip(texts[2::2], texts[3::2])))
                    show_message(raw)
                    show("raw", raw)
                print(said.getvalue(), end="")
            except Exception:
                show("message", 0)
