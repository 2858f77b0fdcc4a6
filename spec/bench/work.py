"""Python's email and codecs at work without a connection: see work.lua.

    python3 work.py JOB SECONDS COUNT
"""
import base64
import os
import quopri
import sys
import time
from email import message_from_bytes, policy
from email.message import EmailMessage

from peak import forget_peak, peak

FOLDER = os.environ.get("BUILD", "build") + "/bench/"


def read(name):
    with open(FOLDER + name, "rb") as file:
        return file.read()


def message_of(subject, text):
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"] = "Sender <sender@bench.test>", "recipient@bench.test"
    message["Subject"] = subject
    message.set_content(text)
    return message


def small(content):
    message_of("A message of the benchmark", content.decode("ascii")).as_bytes()


def report(content):
    message = message_of("A report of the benchmark", "Hello,\nhere is the report.\n")
    message.add_alternative("<p>Hello,<br>here is the report.</p>\n", subtype="html")
    message.add_attachment(content, maintype="application", subtype="pdf", filename="report.pdf")
    message.as_bytes()


def parse(content):
    return message_from_bytes(content, policy=policy.default)


def read_parts(content):
    for part in parse(content).walk():
        if not part.is_multipart():
            part.get_payload(decode=True)


JOBS = {
    "small": (small, "text"),
    "report": (report, "binary"),
    "base64": (base64.encodebytes, "binary"),
    "unbase64": (base64.decodebytes, "binary.base64"),
    "quopri": (quopri.encodestring, "prose"),
    "unquopri": (quopri.decodestring, "prose.quopri"),
    "parse": (parse, "message"),
    "parselarge": (parse, "large"),
    "read": (read_parts, "large"),
}


def run(job, content, seconds, count):
    done, start = 0, time.monotonic()
    while True:
        job(content)
        done += 1
        if done >= count or time.monotonic() - start >= seconds:
            return done


def main():
    job, name = JOBS[sys.argv[1]]
    seconds, count = float(sys.argv[2]), int(sys.argv[3])
    content = read(name)
    run(job, content, seconds / 10, count)
    forget_peak()
    wall, cpu = time.monotonic(), time.process_time()
    done = run(job, content, seconds, count)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    print(f"done {done}\nbytes {len(content)}\nwall {wall:.6f}\ncpu {cpu:.6f}\npeak_kib {peak()}")


main()
