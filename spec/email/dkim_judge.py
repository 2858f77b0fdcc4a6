"""dkimpy's opinion on DKIM signatures.

   dkim_judge.py verify KEYS MESSAGE...   for each message a line: pass or fail, once for each signature
   dkim_judge.py sign KEY SELECTOR DOMAIN ALGORITHM HEADER/BODY MESSAGE   the signed message

KEYS is a file of lines "NAME RECORD"."""
import sys
import dkim


def verify(keys, paths):
    with open(keys) as file:
        records = dict(line.rstrip("\n").split(" ", 1) for line in file)

    def lookup(name, timeout=5):
        return records.get(name.decode().rstrip("."), "").encode() or None

    for path in paths:
        with open(path, "rb") as file:
            raw = file.read()
        judged = dkim.DKIM(raw, minkey=1024)
        count = sum(1 for name, _ in judged.headers if name.lower() == b"dkim-signature")
        opinions = []
        for i in range(count):
            try:
                opinions.append("pass" if judged.verify(idx=i, dnsfunc=lookup) else "fail")
            except dkim.DKIMException:
                opinions.append("fail")
        print(*opinions)


def sign(key, selector, domain, algorithm, canonicalization, path):
    with open(path, "rb") as file:
        raw = file.read()
    with open(key, "rb") as file:
        secret = file.read().strip()
    forms = tuple(form.encode() for form in canonicalization.split("/"))
    field = dkim.DKIM(raw, signature_algorithm=algorithm.encode()).sign(
        selector.encode(), domain.encode(), secret, canonicalize=forms)
    sys.stdout.buffer.write(field + raw)


if sys.argv[1] == "verify":
    verify(sys.argv[2], sys.argv[3:])
else:
    sign(*sys.argv[2:])
