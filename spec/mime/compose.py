"""Random messages of Python's email: SEED COUNT FOLDER; message SEED + i becomes
the file FOLDER/i.eml, i from 0."""
import random
import sys
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, compat32, default
from email.utils import formataddr

WORDS = ["a", "Z", "0", " ", "=", "_", "?", '"', "(", ")", ",", ";", "@", ".", "word", "longerword", "-", "é", "ü", "日本", "😀",
         "From ", "%", "*", "x" * 30]
LINES = ["", ".", "..", "From me", ">From me", "--", "--=_", "=", "x \t", "Subject: no", "x" * 78, "x" * 300, "é" * 90,
         "begin 644 x"]
CHARSETS = ["utf-8", "iso-8859-1", "windows-1252", "koi8-r", "iso-2022-jp", "shift_jis", "euc-kr", "big5", "gb18030"]
LETTERS = {"iso-8859-1": "éüÿ", "windows-1252": "é€", "koi8-r": "Пя", "euc-kr": "한글", "big5": "日功"}


def words(most):
    return "".join(random.choice(WORDS) for _ in range(random.randint(1, most))).strip()


def lines(charset):
    letters = LETTERS.get(charset, "日あ")
    made = [random.choice(LINES) if random.random() < 0.4 else words(10) for _ in range(random.randint(0, 10))]
    text = "\n".join("".join(c if c < "\x80" else random.choice(letters) for c in line) for line in made)
    return text + "\n"


def octets():
    return bytes(random.randrange(256) for _ in range(random.choice((0, 1, 3, 57, 58, random.randint(0, 2000)))))


def name():
    return "".join(c for c in words(12) if c not in '"<>').strip() or "x"


def add_head(m):
    m["From"] = "a@b.example"
    m["To"] = [Address("".join(c for c in words(4) if c not in " "), "user%d" % i, "b.example")
               for i in range(random.randint(1, 4))]
    m["Subject"] = words(30)
    m["X-Note"] = words(10)


def set_leaf(m):
    kind = random.randrange(4)
    if kind == 0:
        m.set_content(octets(), random.choice(("image", "application")), "x-test", filename=name(),
                      disposition=random.choice(("attachment", "inline")), cid="<x@y.example>",
                      cte=random.choice(("base64", "quoted-printable")))
    elif kind == 1:
        m.set_content(octets(), "application", "octet-stream", filename=name())
    else:
        charset = random.choice(CHARSETS)
        m.set_content(lines(charset), subtype=random.choice(("plain", "html")), charset=charset,
                      cte=random.choice(("base64", "quoted-printable", "8bit")) if random.random() < 0.5 else None)


def grow(m, depth):
    kind = random.randrange(6) if depth else 0
    if kind < 2:
        set_leaf(m)
    elif kind == 2:
        m.set_content(message(depth - 1), disposition=random.choice((None, "inline", "attachment")))
    else:
        getattr(m, "make_" + random.choice(("mixed", "alternative", "related")))()
        for _ in range(random.randint(1, 4)):
            part = EmailMessage(policy=SMTP)
            grow(part, depth - 1)
            del part["MIME-Version"]
            m.attach(part)
        if random.random() < 0.2:
            m.preamble, m.epilogue = random.choice(("This is MIME.", "a\nb\n")), random.choice(("end", "end\n\n"))


def message(depth):
    m = EmailMessage(policy=SMTP)
    add_head(m)
    grow(m, depth)
    return m


def digest():
    m = MIMEMultipart("digest", policy=compat32)
    m["Subject"] = "digest"
    for _ in range(random.randint(1, 3)):
        part = MIMEMultipart(policy=compat32)
        del part["Content-Type"]
        del part["MIME-Version"]
        part.set_default_type("message/rfc822")
        inner = MIMEText(lines("iso-8859-1"), "plain", random.choice(("iso-8859-1", "utf-8")))
        inner["Subject"] = "inner"
        part.set_payload([inner])
        m.attach(part)
    return m


def classic():
    m = MIMEMultipart(random.choice(("mixed", "alternative")))
    m["Subject"] = Header(words(20), random.choice(("utf-8", None)))
    m["From"] = formataddr((words(3), "a@example.org"))
    m["To"] = "b@example.org"
    m["X-Note"] = Header(words(10), "utf-8")
    for _ in range(random.randint(1, 3)):
        if random.random() < 0.5:
            m.attach(MIMEText(lines("utf-8"), random.choice(("plain", "html")), "utf-8"))
        else:
            part = MIMEApplication(octets())
            part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name()))
            m.attach(part)
    if random.random() < 0.3:
        m.preamble, m.epilogue = "a preamble\n", "an epilogue\n"
    return m


def random_bytes():
    kind = random.randrange(10)
    if kind < 3:
        return random.choice((digest, classic))().as_bytes(policy=compat32.clone(linesep=random.choice(("\n", "\r\n"))))
    return message(random.randint(0, 3)).as_bytes(policy=random.choice((SMTP, SMTP, default)))


def main(seed, count, folder):
    for i in range(count):
        random.seed(seed + i)
        with open("%s/%d.eml" % (folder, i), "wb") as file:
            file.write(random_bytes())


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
