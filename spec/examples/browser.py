#!/usr/bin/python3
"""Drives headless Chromium by its DevTools protocol, over pipes.

Reads steps from standard input, a line each, words separated by tabs, "\\n" in
them for a line end:

    goto URL              load a page
    fill SELECTOR TEXT    type into a field, in place of what is there
    file SELECTOR PATH    choose a file
    click SELECTOR        and wait for the page that follows
    js EXPRESSION         print its value, as JSON
    shot PATH             write a picture of the page
    status                print the HTTP status of the page

What is printed is a line each; at the end "violations N": breaches of the
page's own security policy. Ends Chromium, its own child, whatever happens.
"""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WAIT = 60
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run
  --no-default-browser-check --disable-background-networking --disable-component-update --disable-sync
  --disable-extensions --no-proxy-server --password-store=basic --remote-debugging-pipe""".split()


def pipe():
    """A pipe whose ends are none of those that Chromium is given, 3 and 4."""
    low = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return high


class Browser:
    def __init__(self, folder):
        from_us, self.out = pipe()
        self.into, from_it = pipe()
        os.dup2(from_us, 3)
        os.dup2(from_it, 4)
        command = ["chromium", f"--user-data-dir={folder}", *FLAGS, "about:blank"]
        log = open(os.path.join(folder, "log"), "wb")
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self.process = subprocess.Popen(command, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True, env=environment)
        for end in from_us, from_it, 3, 4:
            os.close(end)
        self.held, self.number, self.session = b"", 0, None
        self.loads, self.status, self.violations = 0, None, 0

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def receive(self, deadline):
        while b"\0" not in self.held:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.into, 1 << 20) if ready else b""
            if not piece:
                raise SystemExit("Chromium is silent" if not ready else "Chromium has gone")
            self.held += piece
        frame, _, self.held = self.held.partition(b"\0")
        return json.loads(frame)

    def note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Network.responseReceived" and params["type"] == "Document":
            self.status = params["response"]["status"]
        elif method == "Log.entryAdded" and "Content Security Policy" in params["entry"]["text"]:
            self.violations += 1

    def call(self, method, **params):
        self.number += 1
        request = {"id": self.number, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        deadline = time.monotonic() + WAIT
        while True:
            message = self.receive(deadline)
            if message.get("id") == self.number:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.note(message)

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in "Page", "Network", "Log", "DOM", "Runtime":
            self.call(domain + ".enable")

    def loaded(self, before):
        deadline = time.monotonic() + WAIT
        while self.loads == before:
            self.note(self.receive(deadline))

    def js(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def element(self, selector):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        if not node:
            raise SystemExit(f"no {selector} in the page")
        return node

    def goto(self, url):
        before = self.loads
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise SystemExit(f"{url}: {answer['errorText']}")
        self.loaded(before)

    def fill(self, selector, text):
        self.call("DOM.focus", nodeId=self.element(selector))
        self.js("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def file(self, selector, path):
        self.call("DOM.setFileInputFiles", nodeId=self.element(selector), files=[path])

    def click(self, selector):
        before = self.loads
        self.js(f"document.querySelector({json.dumps(selector)}).click()")
        self.loaded(before)

    def shot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def run(browser, steps):
    browser.attach()
    for line in steps:
        verb, *words = [word.replace("\\n", "\n") for word in line.rstrip("\n").split("\t")]
        if verb == "js":
            print(json.dumps(browser.js(words[0]), ensure_ascii=False))
        elif verb == "status":
            print(browser.status)
        else:
            getattr(browser, verb)(*words)
    print("violations", browser.violations)


folder = tempfile.mkdtemp(prefix="smtplib-chromium.")
browser = Browser(folder)
try:
    run(browser, sys.stdin)
finally:
    browser.stop()
    shutil.rmtree(folder, ignore_errors=True)
