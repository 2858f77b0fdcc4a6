-- Signing with DKIM and verifying: the standard's examples, tampering, key
-- records; dkimpy and OpenDKIM as judges of ours, and ours of theirs.
local client = require "spec.support.client"
local email = require "smtplib.email"
local judge = require "spec.email.dkim_judge"
local core = require "smtplib.core"
local smtplib = require "smtplib"

local Message = email.Message
local dkim = email.dkim

local function message_of(extra)
  local opts = {
    from = "J\195\188rgen <me@example.com>", to = "you@example.org", subject = "Gr\195\188\195\159e",
    text = "Hello w\195\182rld  \n\n\tx\n\n\n",
  }
  for name, value in pairs(extra or {}) do opts[name] = value end
  return assert(Message(opts))
end

local function collect(m, opts)
  local pieces = {}
  for piece in assert(m:source(opts)) do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

local function options(extra)
  local opts = { domain = "example.com", selector = "r", key = judge.rsa }
  for name, value in pairs(extra or {}) do opts[name] = value end
  return opts
end

local ed25519 = { selector = "e", key = judge.ed25519 }

local function signed(extra, message)
  local m = message or message_of()
  assert(m:sign_dkim(options(extra)))
  return collect(m)
end

-- The verdict on the first signature.
local function verify(raw, lookup, time)
  local ok, results = dkim.verify(raw, { key = lookup or judge.lookup, time = time })
  assert.equal(ok, results[1] ~= nil and results[1].ok)
  return ok, results[1] and results[1].reason, results[1]
end

-- A signature made by hand over From, with other tags than sign_dkim gives.
local function forged(change)
  local raw = signed({ headers = { "From" } })
  local field, rest = raw:match("^(DKIM%-Signature:.-\r\n)(%S.*)$")
  local key = assert(core.dkim.key(judge.rsa))
  field = change(field:gsub("b=[^;]*$", ""))
  local reader = core.dkim.reader()
  reader:header(rest)
  local input = assert(reader:input(field:match("h=([^;]*)"), "relaxed", field .. "b="))
  return field .. "b=" .. core.dkim.signature(key:sign(input)) .. "\r\n" .. rest
end

describe("the example of RFC 8463 appendix A", function()
  local raw = table.concat({
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;",
    " d=football.example.com; i=@football.example.com;",
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :",
    " subject : date : message-id : from : subject : date;",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;",
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus",
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;",
    " d=football.example.com; i=@football.example.com;",
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :",
    " date : message-id : from : subject : date;",
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;",
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3",
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz",
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
    "From: Joe SixPack <joe@football.example.com>",
    "To: Suzie Q <suzie@shopping.example.net>",
    "Subject: Is dinner ready?",
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>",
    "", "Hi.", "", "We lost the game.  Are you hungry yet?", "", "Joe.", "",
  }, "\r\n")
  local records = {
    ["brisbane._domainkey.football.example.com"] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ["test._domainkey.football.example.com"] = { "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR",
      "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC",
      "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3",
      "Ip3G+2kryOTIKT+l/K4w3QIDAQAB" },
  }
  local function key(name) return records[name] end

  it("is verified, both signatures", function()
    local ok, results = dkim.verify(raw, { key = key })
    assert.is_true(ok)
    assert.equal(2, #results)
    assert.same({
      ok = true, domain = "football.example.com", selector = "brisbane", identity = "@football.example.com",
      algorithm = "ed25519-sha256", canonicalization = "relaxed/relaxed", time = 1528637909,
      headers = { "from", "to", "subject", "date", "message-id", "from", "subject", "date" },
    }, results[1])
    assert.is_true(results[2].ok)
    assert.equal("rsa-sha256", results[2].algorithm)
  end)

  it("in pieces of any size, from a file, as a Message, and with the line ends of files", function()
    for _, size in ipairs { 1, 2, 7, 100 } do
      local at = 1
      assert.is_true((dkim.verify(function()
        local piece = raw:sub(at, at + size - 1)
        at = at + size
        return piece ~= "" and piece or nil
      end, { key = key })))
    end
    local file = assert(io.tmpfile())
    file:write(raw)
    file:seek("set")
    assert.is_true((dkim.verify(file, { key = key })))
    file:close()
    assert.is_true((dkim.verify((raw:gsub("\r\n", "\n")), { key = key })))
    assert.is_true((dkim.verify(email.message_from_string(raw), { key = key })))
  end)

  it("fails when any byte of it is another", function()
    local head = raw:find("\r\nDKIM", 1, true) + 1
    local one = raw:sub(1, head) .. raw:sub(raw:find("\r\nFrom: ", 1, true) + 2)
    assert.is_true((dkim.verify(one, { key = key })))
    for at = head + 1, #one - 2 do
      local byte = one:sub(at, at)
      local changed = one:sub(1, at - 1) .. (byte == "x" and "y" or "x") .. one:sub(at + 1)
      if not byte:find("%s") then assert.is_false((dkim.verify(changed, { key = key })), "byte " .. at) end
    end
  end)
end)

describe("a signed message", function()
  it("is the message itself, with the field first, and verifies", function()
    local m = message_of()
    assert.equal(m, m:sign_dkim(options()))
    assert.equal("DKIM-Signature", m:keys()[1])
    assert.is_true(verify(m))
    assert.is_true(verify(collect(m)))
    assert.is_true(verify(m:as_string()))
  end)

  it("has two signatures of one reading, in the order of the options", function()
    local m = message_of()
    m:add_attachment(("x"):rep(100000))
    local updates, reader = 0, core.dkim.reader
    core.dkim.reader = function()
      updates = updates + 1
      return reader()
    end
    local ok = m:sign_dkim { options(), options(ed25519) }
    core.dkim.reader = reader
    assert.equal(m, ok)
    assert.equal(1, updates)
    local good, results = dkim.verify(m, { key = judge.lookup })
    assert.is_true(good)
    assert.same({ "rsa-sha256", "ed25519-sha256" }, { results[1].algorithm, results[2].algorithm })
    assert.is_true(results[1].ok and results[2].ok)
    assert.equal("pass pass", judge.dkimpy(collect(m)))
    assert.equal("pass pass", judge.opendkim(collect(m)))
  end)

  for _, form in ipairs { "simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed" } do
    it(("passes with the others: %s"):format(form), function()
      for _, extra in ipairs { {}, ed25519 } do
        local raw = signed { canonicalization = form, selector = extra.selector, key = extra.key }
        assert.is_true(verify(raw))
        assert.equal("pass", judge.dkimpy(raw))
        assert.equal("pass", judge.opendkim(raw))
        local changed = raw:gsub("Hello", "Hallo")
        assert.equal("the body has been changed", (select(2, verify(changed))))
        assert.equal("fail", judge.dkimpy(changed))
        assert.equal("fail", judge.opendkim(changed))
      end
    end)
  end

  it("passes whatever its body", function()
    for _, text in ipairs { "", "\n", "\n\n \n", " \t", "x  \n\t y  z", "a\r\n\r\n", ("long "):rep(400), "\195\188\n.\n..\n" } do
      local m = Message()
      m["From"], m["To"], m["Subject"] = "me@example.com", "you@example.org", "x"
      m:set_payload(text)
      local raw = collect(assert(m:sign_dkim { options(), options(ed25519), options { canonicalization = "simple/simple" } }))
      local ok, results = dkim.verify(raw, { key = judge.lookup })
      assert.is_true(ok and results[1].ok and results[2].ok and results[3].ok)
      assert.equal("pass pass pass", judge.opendkim(raw .. (raw:find("\r\n$") and "" or "\r\n")))
    end
  end)

  it("covers Date, Message-ID and MIME-Version, which are added, and From's domain", function()
    local m = Message()
    m["From"] = "a@sub.example.com"
    m:set_payload("x\n")
    assert(m:sign_dkim(options()))
    assert.same({ "DKIM-Signature", "From", "Date", "Message-ID", "MIME-Version" }, m:keys())
    assert.matches("@sub%.example%.com>$", m["Message-ID"])
    local _, _, result = verify(m)
    assert.matches("Date:Date:Message%-ID:Message%-ID:.*MIME%-Version:MIME%-Version", table.concat(result.headers, ":"))
  end)

  it("has each field signed once more than it occurs, and never those that change", function()
    local m = message_of { cc = "x@example.org", bcc = "secret@example.org" }
    m:add_header("Received", "from x by y; Mon, 23 Nov 2026 20:08:22 +0000")
    m:add_header("Return-Path", "<a@example.com>")
    m:add_header("List-Unsubscribe", "<https://example.com/u>")
    m:add_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    local _, _, result = verify(signed(nil, m))
    local counts = {}
    for _, name in ipairs(result.headers) do counts[name] = (counts[name] or 0) + 1 end
    assert.same({
      From = 2, To = 2, Cc = 2, Subject = 2, Date = 2, ["Message-ID"] = 2, ["Reply-To"] = 1, ["MIME-Version"] = 2,
      ["Content-Type"] = 2, ["Content-Transfer-Encoding"] = 2, ["List-Unsubscribe"] = 2, ["List-Unsubscribe-Post"] = 2,
    }, counts)
  end)

  it("has the headers signed that were named, and From", function()
    local m = message_of()
    m:add_header("X-One", "1")
    m:add_header("X-One", "2")
    local raw = signed({ headers = { "x-one", "subject", "X-ONE" } }, m)
    local _, _, result = verify(raw)
    assert.same({ "From", "From", "x-one", "x-one", "x-one", "subject", "subject" }, result.headers)
    assert.equal("pass", judge.dkimpy(raw))
    assert.is_false(verify((raw:gsub("X%-One: 2", "X-One: 3"))))
    assert.is_true(verify((raw:gsub("To: you", "To: them"))))
  end)

  it("never has l=", function()
    assert.is_nil((signed():match("^DKIM%-Signature:.-\r\n%S"):find("%f[%w]l=")))
  end)

  it("carries identity, time and expiry", function()
    local raw = signed { identity = "me@sub.example.com", time = 1000, expire_in = 60 }
    local _, reason, result = verify(raw)
    assert.equal("the signature has expired", reason)
    assert.same({ 1000, 1060, "me@sub.example.com" }, { result.time, result.expires, result.identity })
    assert.is_true(verify(raw, nil, 1060))
    assert.is_false(verify(raw, nil, 1061))
  end)

  it("has A-labels in d= and i=, and folds that hold", function()
    if not core.domain_to_ascii("b\195\188cher.example") then return pending("built without libidn2") end
    local records = { ["s._domainkey.xn--bcher-kva.example"] = judge.record(judge.rsa) }
    local raw = signed { domain = "b\195\188cher.example", selector = "s", identity = "x@b\195\188cher.example" }
    assert.matches(" d=xn%-%-bcher%-kva%.example;", raw)
    local ok, _, result = verify(raw, function(name) return records[name] end)
    assert.is_true(ok)
    assert.equal("x@xn--bcher-kva.example", result.identity)
    for line in raw:match("^DKIM%-Signature:.-\r\n%f[^\n%s]"):gmatch("(.-)\r\n") do assert.is_true(#line <= 78) end
  end)

  it("takes an encrypted key and a bare Ed25519 one", function()
    assert.is_true(verify(signed { key = judge.key("secret"), key_password = "secret" }))
    assert.is_true(verify(signed { key = judge.seed, selector = "e", algorithm = "ed25519-sha256" }))
  end)

  it("can be signed once more", function()
    local m = message_of()
    assert(m:sign_dkim(options()))
    assert(m:sign_dkim(options(ed25519)))
    local ok, results = dkim.verify(m, { key = judge.lookup })
    assert.is_true(ok and results[1].ok and results[2].ok)
    assert.equal("ed25519-sha256", results[1].algorithm)
  end)

  it("that was read keeps its bytes, and verifies with what its sender had signed", function()
    local raw = signed():gsub("MIME%-Version: 1%.0", "MIME-Version:   1.0")
    local m = email.message_from_string("X-Odd:   spaced\t\r\n\tfold\r\n" .. raw)
    assert(m:sign_dkim(options(ed25519)))
    local ok, results = dkim.verify(collect(m), { key = judge.lookup })
    assert.is_true(ok and results[1].ok and results[2].ok)
  end)
end)

describe("attachments of a message to be signed", function()
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(("0123456789"):rep(100000))
  file:close()
  teardown(function() os.remove(path) end)

  it("are read from their path for the signature, and again when it is sent", function()
    local m = message_of { attachments = { { path = path } } }
    local raw = signed(nil, m)
    assert.is_true(verify(raw))
    assert.is_true(verify(collect(m)))
    assert.equal("pass", judge.dkimpy(raw))
  end)

  it("take no memory for it", function()
    local large = assert(io.open(path, "wb"))
    for _ = 1, 64 do large:write(("x"):rep(1048576)) end
    large:close()
    local m = message_of { attachments = { { path = path } } }
    collectgarbage()
    collectgarbage()
    local before = collectgarbage("count")
    assert(m:sign_dkim(options()))
    local most = collectgarbage("count") - before
    assert.is_true(most < 8192, most .. " KiB")
  end)

  it("of a file that can be wound back are read twice", function()
    local open = assert(io.tmpfile())
    open:write("from an open file")
    open:seek("set")
    local m = message_of { attachments = { { content = open, filename = "x" } } }
    assert.is_true(verify(signed(nil, m)))
    assert.is_true(verify(collect(m)))
    open:close()
  end)

  it("that can be read only once are refused, with nothing consumed", function()
    local calls = 0
    local m = message_of { attachments = { { content = function() calls = calls + 1 end, filename = "x" } } }
    local keys = m:keys()
    local ok, err = m:sign_dkim(options())
    assert.is_nil(ok)
    assert.matches("read only once", err.message)
    assert.equal(0, calls)
    assert.same(keys, m:keys())
    local pipe = assert(io.popen("echo x"))
    ok, err = message_of { attachments = { { content = pipe, filename = "x" } } }:sign_dkim(options())
    pipe:close()
    assert.is_nil(ok)
    assert.matches("read only once", err.message)
  end)

  it("that are missing leave the message as it was", function()
    local m = message_of { attachments = { { path = path .. ".none" } } }
    local keys = m:keys()
    local ok, err = m:sign_dkim(options())
    assert.is_nil(ok)
    assert.is_true(smtplib.is_error(err))
    assert.same(keys, m:keys())
  end)
end)

describe("sign_dkim refuses, and leaves the message as it was:", function()
  local cases = {
    -- what                       options                                     sentence
    { "a tag in the domain",      { domain = "example.com; l=1" },            "domain" },
    { "a line in the domain",     { domain = "example.com\r\nBcc: x@y" },     "domain" },
    { "a tag in the selector",    { selector = "s; l=1" },                    "selector" },
    { "a line in the selector",   { selector = "s\n" },                       "selector" },
    { "a line in the identity",   { identity = "a\r\nb@example.com" },        "identity" },
    { "an identity elsewhere",    { identity = "a@example.org" },             "identity" },
    { "a tag in a header's name", { headers = { "To;l=1" } },                 "header" },
    { "a line in a header's name", { headers = { "To\r\nX" } },               "header" },
    { "two names in one",         { headers = { "To:Cc" } },                  "header" },
    { "an empty name",            { headers = { "" } },                       "header" },
    { "no key",                   { key = "x" },                              "PEM" },
    { "a small key",              { key = judge.key("small") },               "1024" },
    { "a key of a third kind",    { key = judge.key("ec") },                  "Ed25519" },
    { "a wrong password",         { key = judge.key("secret"), key_password = "x" }, "password" },
    { "another kind of key",      { algorithm = "ed25519-sha256" },           "kind" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local m = message_of()
      local before = m:keys()
      local ok, err = m:sign_dkim(options(case[2]))
      assert.is_nil(ok)
      assert.equal("SMTPException", err.name)
      assert.matches(case[3], err.message)
      assert.same(before, m:keys())
    end)
  end

  it("no From field, or two", function()
    local m = Message()
    m["To"] = "a@example.com"
    assert.matches("no From", (select(2, m:sign_dkim(options()))).message)
    assert.same({ "To" }, m:keys())
    m:add_header("From", "a@example.com")
    m:add_header("From", "b@example.com")
    assert.matches("more than one From", (select(2, m:sign_dkim(options()))).message)
  end)

  it("misuse, in the name of the caller's line", function()
    local m = message_of()
    for expected, opts in pairs {
      ["unknown option 'domian'"] = options { domian = "x" },
      ["bad argument 'domain' to 'sign_dkim' (string expected, got no value)"] = { selector = "r", key = "x" },
      ["bad argument 'selector' to 'sign_dkim' (string expected, got number)"] = options { selector = 1 },
      ["bad argument 'headers' to 'sign_dkim' (Bcc cannot be signed)"] = options { headers = { "From", "Bcc" } },
      ["bad argument 'headers' to 'sign_dkim' (an array without holes expected)"] = options { headers = { "a", nil, "b" } },
      ["bad argument 'algorithm' to 'sign_dkim' ('rsa-sha256' or 'ed25519-sha256' expected)"] = options { algorithm = "rsa-sha1" },
      ["bad argument 'time' to 'sign_dkim' (seconds expected, got -1)"] = options { time = -1 },
    } do
      assert.equal(expected, client.misuse(function()
        m:sign_dkim(opts)
        return true
      end))
    end
    client.misuse(function()
      m:sign_dkim()
      return true
    end)
    client.misuse(function()
      m:sign_dkim(options { canonicalization = "strict" })
      return true
    end)
    client.misuse(function()
      dkim.verify(nil, { key = judge.lookup })
      return true
    end)
    client.misuse(function()
      dkim.verify("", {})
      return true
    end)
    client.misuse(function()
      dkim.verify("", { key = judge.lookup, x = 1 })
      return true
    end)
  end)
end)

describe("tampering is found:", function()
  local raw = signed()
  local header, body = raw:match("^(.-\r\n)\r\n(.*)$")

  for _, case in ipairs {
    { "another From", "From: =", "From: x=" }, { "another To", "To: you", "To: them" },
    { "another Subject", "Subject: ", "Subject: x" }, { "another Date", "Date: %a", "Date: X" },
    { "another Message-ID", "Message%-ID: <", "Message-ID: <x" }, { "another MIME-Version", "MIME%-Version: 1", "MIME-Version: 2" },
    { "another Content-Type", "text/plain", "text/html" },
    { "another encoding", "Transfer%-Encoding: [%w-]*", "Transfer-Encoding: 8bit" },
    { "another selector", "s=r;", "s=e;" }, { "another domain", "d=example.com", "d=example.org" },
    { "another hash", "bh=%w", "bh=+" }, { "another time", "t=%d", "t=0" },
    { "another canonicalization", "relaxed/relaxed", "simple/relaxed" },
    { "a tag added", "v=1;", "v=1; z=x;" },
  } do
    it(case[1], function()
      local changed, n = header:gsub(case[2], case[3], 1)
      assert.equal(1, n)
      assert.is_false(verify(changed .. "\r\n" .. body))
    end)
  end

  for _, name in ipairs { "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type" } do
    it(("%s added, above or below (oversigned)"):format(name), function()
      local line = name .. ": attacker@example.net\r\n"
      assert.is_false(verify(line .. raw))
      assert.is_false(verify(header .. line .. "\r\n" .. body))
      assert.equal("fail", judge.dkimpy(line .. raw))
    end)
  end

  it("a second From even where it was signed once (RFC 6376 section 8.15)", function()
    local once = judge.signed_by_dkimpy(collect(message_of { date = 0, message_id = "<x@example.com>" }), "rsa", "rsa-sha256",
      "relaxed/relaxed")
    assert.is_true(verify(once))
    assert.equal("the message has not one From field", (select(2, verify("From: attacker@example.net\r\n" .. once))))
  end)

  it("every byte of the body", function()
    for at = 1, #body do
      if not body:sub(at, at):find("%s") then
        assert.equal("the body has been changed",
          (select(2, verify(header .. "\r\n" .. body:sub(1, at - 1) .. "#" .. body:sub(at + 1)))))
      end
    end
    assert.is_false(verify(raw .. "x"))
    assert.is_true(verify(raw .. "\r\n\r\n"))
    assert.is_true(verify("Received: x\r\n" .. raw))
  end)
end)

describe("a signature is not believed when", function()
  local function with(from, to)
    return function(field) return (field:gsub(from, to)) end
  end

  for _, case in ipairs {
    -- what                              change to the field             reason
    { "its version is another",          with("v=1", "v=2"),             "version" },
    { "its algorithm is rsa-sha1",       with("rsa%-sha256", "rsa-sha1"), "rsa%-sha1" },
    { "its algorithm is unknown",        with("rsa%-sha256", "rsa-md5"), "algorithm" },
    { "its canonicalization is unknown", with("relaxed/relaxed", "relaxed/loose"), "canonicalization" },
    { "it does not sign From",           with("h=From:From", "h=To"),    "From is not signed" },
    { "it has no d=",                    with("d=example.com; ", ""),    "no d=" },
    { "it has no h=",                    with("h=From:From;", ""),       "no h=" },
    { "i= is outside of d=",             with("s=r;", "s=r; i=@example.org;"), "i=" },
    { "i= only ends like d=",            with("s=r;", "s=r; i=@notexample.com;"), "i=" },
    { "i= is no address",                with("s=r;", "s=r; i=example.com;"), "i=" },
    { "it has expired",                  with("s=r;", "s=r; x=10;"),     "expires" },
    { "x= is no number",                 with("s=r;", "s=r; x=1e9;"),    "number" },
    { "its way to the key is unknown",   with("s=r;", "s=r; q=http;"),   "way" },
    { "bh= is no base64",                with("bh=", "bh=!"),            "base64" },
    { "l= leaves a part unsigned",       with("s=r;", "s=r; l=5;"),      "l= leaves %d+ bytes of the body unsigned" },
    { "l= exceeds the body",             with("s=r;", "s=r; l=99999;"),  "exceeds" },
    { "l= is no number",                 with("s=r;", "s=r; l=-1;"),     "number" },
  } do
    it(case[1], function()
      local ok, reason = verify(forged(case[2]))
      assert.is_false(ok)
      assert.matches(case[3], reason)
    end)
  end

  it("and is when its tags are unknown, or l= covers the whole body", function()
    assert.is_true(verify(forged(with("v=1;", "v=1; zz=unknown;"))))
    local _, reason = verify(forged(with("s=r;", "s=r; l=5;")))
    local length = 5 + tonumber(reason:match("%d+"))
    local ok, _, result = verify(forged(with("s=r;", "s=r; l=" .. length .. ";")))
    assert.is_true(ok)
    assert.equal(length, result.length)
    assert.is_true(verify(forged(with("s=r;", "s=r; q=dns/txt : x; i=a=40b@sub.example.com;"))))
  end)

  it("a tag is given twice, which is no tag list", function()
    local ok, reason = verify((signed():gsub("v=1;", "v=1; d=example.com;", 1)))
    assert.is_false(ok)
    assert.matches("tag list", reason)
  end)

  it("there are too many", function()
    local raw = signed()
    local field = raw:match("^DKIM%-Signature:.-\r\n%f[^\n%s]")
    local asked = 0
    local ok, results = dkim.verify(field:rep(19) .. raw, { key = function(name)
      asked = asked + 1
      return judge.lookup(name)
    end })
    assert.is_true(ok)
    assert.equal(20, #results)
    assert.equal("too many signatures", results[17].reason)
    assert.equal(1, asked)
  end)

  it("the header is malformed", function()
    assert.matches("malformed", (select(2, verify((signed():gsub("To: ", "To x: ", 1))))))
  end)

  it("there is none", function()
    assert.same({ false, {} }, { dkim.verify("From: a@example.com\r\n\r\nx", { key = judge.lookup }) })
    assert.same({ false, {} }, { dkim.verify("", { key = judge.lookup }) })
    assert.same({ false, {} }, { dkim.verify("From: a@example.com", { key = judge.lookup }) })
  end)

  it("the source fails, which is told", function()
    local ok, err = dkim.verify(function() return nil, "gone" end, { key = judge.lookup })
    assert.is_nil(ok)
    assert.matches("gone", err.message)
    ok, err = dkim.verify(function() return 5 end, { key = judge.lookup })
    assert.is_nil(ok)
    assert.matches("string", err.message)
  end)
end)

describe("a key record", function()
  local raw = signed()
  local good = judge.record(judge.rsa)
  local p = good:match("p=.*")

  local function with(answer, err)
    return function() return answer, err end
  end

  for _, case in ipairs {
    -- record                                       reason, or none when it is good
    { good },
    { p },
    { { good:sub(1, 100), good:sub(101) } },
    { "v=DKIM1; h=sha1:sha256; s=email : x; t=y; n=note; zz=unknown; " .. p .. ";" },
    { "v=DKIM1; s=*; " .. p:gsub("(" .. ("."):rep(50) .. ")", "%1 ") },
    { "v=DKIM2; " .. p,                            "version" },
    { "k=rsa; v=DKIM1; " .. p,                     "version" },
    { "v=DKIM1; p=",                               "revoked" },
    { "v=DKIM1; k=rsa",                            "no key" },
    { "v=DKIM1; h=sha1; " .. p,                    "sha256" },
    { "v=DKIM1; s=web; " .. p,                     "e%-mail" },
    { "v=DKIM1; k=ed25519; " .. p,                 "kind" },
    { "v=DKIM1; p=AAAA",                           "public key" },
    { "v=DKIM1; p=!",                              "base64" },
    { "v=DKIM1; p=A; p=B",                         "malformed" },
    { "no record",                                 "malformed" },
    { "",                                          "malformed" },
    { 5,                                           "malformed" },
    { (good:gsub("p=M", "p=N")),                   "cannot be used" },
  } do
    it(("%s: %s"):format(tostring(case[1]):sub(1, 40), case[2] or "good"), function()
      local ok, reason, result = verify(raw, with(case[1]))
      assert.equal(case[2] == nil, ok)
      if case[2] then assert.matches(case[2], reason) end
      assert.is_nil(result.temporary)
    end)
  end

  it("that is missing, and one that could not be had", function()
    local _, reason, result = verify(raw, with(nil))
    assert.matches("no key", reason)
    assert.is_nil(result.temporary)
    _, reason, result = verify(raw, with(nil, "SERVFAIL"))
    assert.matches("SERVFAIL", reason)
    assert.is_true(result.temporary)
  end)

  it("in test mode is told of", function()
    assert.is_true((select(3, verify(raw, with("v=DKIM1; t=y; " .. p)))).testing)
  end)

  it("with t=s is for d= alone", function()
    local strict = with("v=DKIM1; t=y:s; " .. p)
    assert.is_true(verify(raw, strict))
    assert.is_true(verify(signed { identity = "@example.com" }, strict))
    assert.matches("below d=", (select(2, verify(signed { identity = "@sub.example.com" }, strict))))
  end)

  it("of a small key is refused", function()
    local small = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALKZD0nEffqM1ACuak0bijtqE2QrI/KLADv7l3kK3ppMyCuLKoF0fd7Ai2KW5ToIwzFofvJcS/STa6HA5gQenRUCAwEAAQ=="
    assert.matches("1024", (select(2, verify(raw, with("p=" .. small)))))
  end)

  it("is asked for under its name", function()
    local asked
    verify(raw, function(name) asked = name end)
    assert.equal("r._domainkey.example.com", asked)
  end)
end)

describe("a message signed by others", function()
  local raw = "Date: Mon, 23 Nov 2026 20:08:22 +0000\r\nFrom: a@example.com\r\nSubject: x  y\r\n\tz\r\nTo: b@example.com\r\n" ..
    "Message-ID: <1@example.com>\r\n\r\nHello  \t x \r\n\r\n.x\r\n\r\n\r\n"

  for _, form in ipairs { "simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed" } do
    for name, algorithm in pairs { rsa = "rsa-sha256", ed25519 = "ed25519-sha256" } do
      it(("dkimpy, OpenDKIM: %s, %s"):format(algorithm, form), function()
        local signers = { judge.signed_by_dkimpy, judge.signed_by_opendkim }
        -- OpenDKIM 2.11 does not verify what it signs itself with Ed25519 and a simple header; nor does dkimpy.
        if name == "ed25519" and form:find("^simple") then signers[2] = nil end
        for _, sign in ipairs(signers) do
          local theirs = sign(raw, name, algorithm, form)
          local ok, reason, result = verify(theirs)
          assert.is_true(ok, tostring(reason) .. "\n" .. theirs)
          assert.equal(form, result.canonicalization)
          assert.is_false(verify((theirs:gsub("Hello", "Hallo"))))
          assert.is_false(verify((theirs:gsub("From: a", "From: b"))))
        end
      end)
    end
  end

  it("opendkim-testmsg: rsa-sha1, which is refused (RFC 8301)", function()
    local theirs = judge.signed_by_testmsg(raw)
    assert.matches("^DKIM%-Signature:.*a=rsa%-sha1", theirs)
    assert.matches("rsa%-sha1", (select(2, verify(theirs))))
  end)
end)

describe("a signed message that is sent", function()
  for _, has_8bit in ipairs { true, false } do
    it(("arrives with its signatures good, %s 8BITMIME"):format(has_8bit and "with" or "without"), function()
      local sink = assert(smtplib.sink.start { extensions = { ["8BITMIME"] = has_8bit } })
      local server = assert(smtplib.SMTP(sink.host, sink.port))
      local m = message_of { bcc = "secret@example.com", html = "<p>\195\188</p>", attachments = { { content = "\0\255", filename = "x" } } }
      assert(m:sign_dkim { options(), options { selector = "e", key = judge.ed25519, canonicalization = "simple/simple" } })
      local before = m:keys()
      assert(server:send_message(m))
      assert.same(before, m:keys())
      local data = assert(sink:wait(1, 10))[1].data
      server:quit()
      sink:stop()
      assert.is_nil(data:find("secret@", 1, true))
      local ok, results = dkim.verify(data, { key = judge.lookup })
      assert.is_true(ok)
      assert.is_true(results[1].ok, results[1].reason)
      assert.is_true(results[2].ok, results[2].reason)
      assert.equal("pass pass", judge.dkimpy(data))
      assert.equal("pass pass", judge.opendkim(data))
    end)
  end

  it("keeps its header where SMTPUTF8 would write it otherwise", function()
    local server, peer = client.connect({ extensions = { "SMTPUTF8", "8BITMIME" } })
    local m = message_of()
    assert(m:sign_dkim(options { canonicalization = "simple/simple" }))
    assert(server:send_message(m, nil, "\195\188@example.org"))
    assert.is_true(verify(peer.messages[1].data))
  end)

  it("and one whose address needs UTF-8 is signed as UTF-8", function()
    local server, peer = client.connect({ extensions = { "SMTPUTF8", "8BITMIME" } })
    local m = message_of { to = "\195\188@example.org" }
    assert(m:sign_dkim(options()))
    assert.is_true(verify(m))
    assert(server:send_message(m))
    assert.matches("\195\188@example.org", peer.messages[1].data)
    assert.is_true(verify(peer.messages[1].data))
  end)
end)
