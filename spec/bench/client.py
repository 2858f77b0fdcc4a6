"""Python's smtplib as a client of the benchmarks' sink: see client.lua.

    SINK_PORT=... python3 client.py JOB COUNT FILE
"""
import os
import smtplib
import sys
import time
from email.message import EmailMessage

from peak import forget_peak, peak

FROM, TO = "sender@bench.test", "recipient@bench.test"


def connect():
    return smtplib.SMTP("127.0.0.1", int(os.environ["SINK_PORT"]), local_hostname="client.bench.test")


def sendmail(count, content):
    server = connect()
    for _ in range(count):
        server.sendmail(FROM, TO, content)
    server.quit()


def composed(count, content):
    text = content.decode("ascii")
    server = connect()
    for _ in range(count):
        message = EmailMessage()
        message["From"], message["To"] = FROM, TO
        message["Subject"] = "A message of the benchmark"
        message.set_content(text)
        server.send_message(message)
    server.quit()


def large(_, whole):
    server = connect()
    server.sendmail(FROM, TO, whole)
    server.quit()


def main():
    name, count = sys.argv[1], int(sys.argv[2])
    job = {"sendmail": sendmail, "composed": composed, "large": large}[name]
    with open(sys.argv[3], "rb") as file:
        content = file.read()
    if name == "large":
        content = content * count
    forget_peak()
    wall, cpu = time.monotonic(), time.process_time()
    job(count, content)
    print(f"wall {time.monotonic() - wall:.6f}\ncpu {time.process_time() - cpu:.6f}")
    print("peak_kib", peak())


main()
