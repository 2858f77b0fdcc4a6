"""Random messages of Python's email: SEED COUNT FOLDER; message SEED + i becomes
the file FOLDER/i.eml, i from 0."""
import random
import sys
from email.header import Header
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, SMTPUTF8, default
from email.utils import formataddr

ALPHABETS = ("abc XYZ,;:()", "äßé ñ", "αβγ Ω", "日本語 あ", "🎉€ x")
LINES = ("", ".", "From me", "--", "trailing ", "x" * 90, "=3D")


def phrase(r):
    alphabet = r.choice(ALPHABETS)
    return " ".join("".join(r.choice(alphabet.replace(" ", "")) for _ in range(r.randint(1, 9)))
                    for _ in range(r.randint(1, 7)))


def text(r):
    alphabet = r.choice(ALPHABETS)
    return "\n".join(r.choice(LINES) if r.random() < .3 else "".join(r.choice(alphabet) for _ in range(r.randint(0, 80)))
                     for _ in range(r.randint(1, 8))) + "\n"


def modern(r):
    m = EmailMessage(policy=r.choice((SMTP, default)))
    m["Subject"] = phrase(r)
    m["From"] = "a@example.org"
    m["To"] = "b@example.org, c@example.org"
    m.set_content(text(r), cte=r.choice((None, "quoted-printable", "base64")))
    if r.random() < .5:
        m.add_alternative(text(r), subtype="html")
    for _ in range(r.randint(0, 2)):
        m.add_attachment(r.randbytes(r.randint(0, 200)), maintype="application", subtype="x-a", filename=phrase(r))
    if r.random() < .2:
        inner = EmailMessage()
        inner["Subject"] = phrase(r)
        inner.set_content(text(r))
        m.add_attachment(inner)
    return m.as_bytes()


def classic(r):
    m = MIMEMultipart(r.choice(("mixed", "alternative")))
    m["Subject"] = Header(phrase(r), r.choice(("utf-8", None)))
    m["From"] = formataddr((phrase(r).replace(",", "").replace(";", ""), "a@example.org"))
    m["To"] = "b@example.org"
    m["X-Own"] = Header(phrase(r), "utf-8")
    for _ in range(r.randint(1, 3)):
        if r.random() < .5:
            m.attach(MIMEText(text(r), r.choice(("plain", "html")), "utf-8"))
        else:
            part = MIMEApplication(r.randbytes(r.randint(0, 99)))
            part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", phrase(r)))
            m.attach(part)
    if r.random() < .3:
        m.preamble = "a preamble\n"
    if r.random() < .3:
        m.epilogue = "an epilogue\n"
    return m.as_bytes(policy=m.policy.clone(linesep=r.choice(("\n", "\r\n"))))


seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for i in range(count):
    r = random.Random(seed + i)
    with open("%s/%d.eml" % (folder, i), "wb") as file:
        file.write(r.choice((modern, classic))(r))
