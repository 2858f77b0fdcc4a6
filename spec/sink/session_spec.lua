-- The protocol server of the sink, without a socket.
local session = require "smtplib.sink.session"
local base64 = require "smtplib.base64"

-- Feed a whole client's side; returns all that the server said.
local function converse(server, ...)
  local said = { (server:open()) }
  for _, bytes in ipairs { ... } do said[#said + 1] = (server:feed(bytes)) end
  return table.concat(said)
end

local function started(options)
  local server = session.new(options)
  server:open()
  server:feed("EHLO me\r\n")
  return server
end

local ENVELOPE = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"

local function deliver(body, options)
  local server = started(options)
  server:feed(ENVELOPE .. "DATA\r\n")
  server:feed(body)
  return server
end

describe("a sink session", function()
  it("takes a message and keeps its envelope", function()
    local server = session.new()
    local said = converse(server, "EHLO me\r\n", "MAIL FROM:<a@x> SIZE=12\r\n",
      "RCPT TO:<b@y> NOTIFY=NEVER\r\n", "DATA\r\n", "hi\r\n.\r\n", "QUIT\r\n")
    assert.truthy(said:find("^220 sink.example ESMTP ready\r\n250%-sink.example greets me\r\n"))
    assert.truthy(said:find("354 end with a dot\r\n250 2.0.0 taken as 1\r\n221 2.0.0 bye\r\n$"))
    local message = server.messages[1]
    assert.equal("a@x", message.from)
    assert.same({ SIZE = "12" }, message.from_params)
    assert.same({ { addr = "b@y", params = { NOTIFY = "NEVER" } } }, message.to)
    assert.equal("hi\r\n", message.data)
    assert.equal("me", message.helo)
    assert.equal(5, #server.commands)
  end)

  it("says the same however the bytes are cut", function()
    local client = "EHLO me\r\n" .. ENVELOPE .. "DATA\r\n..a\r\n.b\r\n.\r\nBDAT 3\r\nxyz"
      .. ENVELOPE .. "BDAT 3\r\nabcBDAT 0 LAST\r\nNOOP\r\nQUIT\r\n"
    local whole, bytewise = session.new(), session.new()
    local first = converse(whole, client)
    local second = { (bytewise:open()) }
    for i = 1, #client do second[i + 1] = bytewise:feed(client:sub(i, i)) end
    assert.equal(first, table.concat(second))
    assert.same(whole.messages, bytewise.messages)
    assert.equal(2, #whole.messages)
  end)

  it("ends DATA at CRLF.CRLF and nowhere else", function()
    for _, trap in ipairs { "\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n" } do
      local server = deliver("a" .. trap .. "b\r\n.\r\n")
      assert.equal(1, #server.messages)
      assert.truthy(server.messages[1].data:find("b\r\n", 1, true))
    end
  end)

  it("counts lone CR and lone LF in a message", function()
    local found = deliver("a\nb\rc\r\n\n.\r\n.\r\n").messages[1].findings
    assert.equal(2, found.bare_lf)
    assert.equal(1, found.bare_cr)
  end)

  it("counts lone LF in a command, and refuses it", function()
    local server = started()
    assert.truthy(server:feed("MAIL FROM:<a@x>\nRCPT TO:<b@y>\r\n"):find("^500 "))
    assert.equal(1, server.findings.command_bare_lf)
  end)

  it("unstuffs dots at line starts only", function()
    local rows = {
      { ".\r\n", "" }, { "..\r\n.\r\n", ".\r\n" }, { "a..b\r\n.\r\n", "a..b\r\n" },
      { ".a\r\n..b\r\n.\r\n", "a\r\n.b\r\n" }, { "\r\n..\r\n.\r\n", "\r\n.\r\n" },
    }
    for _, row in ipairs(rows) do
      assert.equal(row[2], deliver(row[1]).messages[1].data)
    end
  end)

  it("keeps the bytes of the wire when asked", function()
    local message = deliver("..a\r\n.\r\n", { keep_wire = true }).messages[1]
    assert.same({ ".a\r\n", "..a\r\n.\r\n" }, { message.data, message.wire })
    assert.is_nil(deliver(".\r\n").messages[1].wire)
  end)

  it("answers out-of-order commands with 503", function()
    local rows = {
      { "MAIL FROM:<a@x>\r\n", "503" }, { "EHLO me\r\nRCPT TO:<b@y>\r\n", "503" },
      { "EHLO me\r\nDATA\r\n", "503" }, { "EHLO me\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", "503" },
      { "EHLO me\r\nMAIL FROM:<>\r\nDATA\r\n", "554" },
    }
    for _, row in ipairs(rows) do
      local said = converse(session.new(), row[1])
      assert.equal(row[2], said:match("(%d%d%d) [^\r]*\r\n$"))
    end
  end)

  it("refuses malformed paths and parameters without an offered extension", function()
    local rows = {
      { "MAIL FROM:a@x", "501" }, { "MAIL FROM: <a@x>", "501" }, { "MAIL FROM:<a@x>SIZE=1", "501" },
      { "MAIL FROM:<a@x> XYZ=1", "555" }, { "MAIL FROM:<a@x> BODY=8BITMIME", "555" },
      { "MAIL FROM:<\195\164@x>", "553" }, { "MAIL FROM:<a@x> SIZE=101", "552" },
      { 'MAIL FROM:<"a> b"@x> SIZE=100', "250" },
    }
    for _, row in ipairs(rows) do
      local server = started { extensions = { ["8BITMIME"] = false, SIZE = 100 } }
      assert.equal(row[2], server:feed(row[1] .. "\r\n"):sub(1, 3), row[1])
    end
  end)

  it("offers what it is told to, and takes nothing else", function()
    local server = session.new { extensions = { SIZE = 5, CHUNKING = false, XFOO = "bar" } }
    local said = converse(server, "EHLO me\r\n")
    assert.truthy(said:find("250-SIZE 5\r\n", 1, true))
    assert.truthy(said:find("250 XFOO bar\r\n", 1, true))
    assert.falsy(said:find("CHUNKING", 1, true))
    assert.equal("502", server:feed("BDAT 0 LAST\r\n"):sub(1, 3))
    said = server:feed(ENVELOPE .. "DATA\r\n1234567\r\n.\r\n")
    assert.equal("552", said:match("(%d+) [^\n]*\n$"))
  end)

  it("knows HELO only when it shall", function()
    local said = converse(session.new { esmtp = false }, "EHLO me\r\n", "HELO me\r\n",
      "MAIL FROM:<a@x>\r\n")
    assert.truthy(said:find("\r\n502 not implemented\r\n250 sink.example\r\n250 sender ok\r\n$"))
  end)

  it("answers each LMTP recipient for itself", function()
    local server = session.new { lmtp = true, replies = { [". full@y"] = "452 4.2.2 full" } }
    local said = converse(server, "EHLO me\r\n", "LHLO me\r\n", "MAIL FROM:<a@x>\r\n",
      "RCPT TO:<b@y>\r\nRCPT TO:<full@y>\r\nDATA\r\n", "x\r\n.\r\n")
    assert.truthy(said:find("\r\n500 "))
    assert.truthy(said:find("354[^\n]*\n250 2.0.0 taken as 1\r\n452 4.2.2 full\r\n$"))
    assert.same({ { addr = "b@y", params = {} } }, server.messages[1].to)
  end)

  it("counts what follows a command that must be last in its group", function()
    local server = started()
    server:feed("DATA\r\nx\r\n.\r\n")
    assert.equal(1, server.findings.unsynchronised)
    server = started { extensions = { PIPELINING = false } }
    server:feed(ENVELOPE)
    assert.equal(1, server.findings.pipelined_unoffered)
  end)

  it("obeys the limits it announces", function()
    local server = started { extensions = { LIMITS = "MAILMAX=1 RCPTMAX=1" } }
    local said = server:feed(ENVELOPE .. "RCPT TO:<c@y>\r\nDATA\r\n")
    assert.truthy(said:find("\r\n452 4.5.3 too many recipients\r\n354"))
    server:feed(".\r\n")
    assert.equal("421", server:feed("MAIL FROM:<a@x>\r\n"):sub(1, 3))
  end)

  it("wants TLS or login first when told so", function()
    assert.truthy(started { require_auth = true }:feed(ENVELOPE):find("^530 5.7.0 login"))
    assert.truthy(started { require_tls = true }:feed(ENVELOPE):find("^530 5.7.0 STARTTLS"))
  end)

  it("forgets everything when TLS starts, and drops what came in clear", function()
    local server = started { starttls = true }
    local said, action = server:feed("STARTTLS\r\nMAIL FROM:<evil@x>\r\n")
    assert.equal("220 2.0.0 go ahead\r\n", said)
    assert.equal("starttls", action)
    server:secured { version = "TLSv1.3" }
    assert.equal("503", server:feed("MAIL FROM:<a@x>\r\n"):sub(1, 3))
    assert.equal(20, server.findings.plaintext_after_starttls)
    assert.falsy(server:feed("EHLO me\r\n"):find("STARTTLS", 1, true))
  end)
end)

describe("BDAT in a sink session", function()
  it("takes chunks of any bytes", function()
    local server = started()
    local said = server:feed(ENVELOPE .. "BDAT 5\r\n.\r\n\0\nBDAT 3 LAST\r\n\r\n.")
    assert.truthy(said:find("250 2.0.0 5 octets\r\n250 2.0.0 taken as 1\r\n$"))
    assert.equal(".\r\n\0\n\r\n.", server.messages[1].data)
  end)

  it("consumes the chunk that it refuses", function()
    local server = started()
    local said = server:feed("BDAT 10 LAST\r\n0123456789NOOP\r\n")
    assert.truthy(said:find("^503 [^\n]*\n250 2.0.0 ok\r\n$"))
    assert.equal(0, #server.messages)
  end)
end)

describe("a flight of transactions in a sink session", function()
  it("goes on behind one whose recipients were all refused", function()
    local server = started { replies = { ["RCPT no@y"] = "550 no" } }
    local refused = "MAIL FROM:<a@x>\r\nRCPT TO:<no@y>\r\nBDAT 2 LAST\r\nno"
    local said = server:feed(refused .. ENVELOPE .. "BDAT 2 LAST\r\nhi" .. refused)
    local codes = {}
    for code in said:gmatch "(%d%d%d)[^\n]*\n" do codes[#codes + 1] = code end
    assert.equal("250 550 554 250 250 250 250 550 554", table.concat(codes, " "))
    assert.equal("hi", server.messages[1].data)
    assert.same({}, server.findings)
  end)

  it("refuses the rest of a message whose chunk was refused", function()
    local server = started { replies = { BDAT = "452 4.3.1 full" } }
    local said = server:feed(ENVELOPE .. "BDAT 2\r\nabBDAT 2 LAST\r\ncd" .. ENVELOPE)
    local codes = {}
    for code in said:gmatch "(%d%d%d)[^\n]*\n" do codes[#codes + 1] = code end
    assert.equal("250 250 452 503 250 250", table.concat(codes, " "))
    assert.equal(0, #server.messages)
  end)
end)

describe("the script of a sink session", function()
  it("replaces replies by verb, by address and by function", function()
    local server = started { replies = {
      ["RCPT nobody@y"] = "550 5.1.1 no such user",
      MAIL = function(self, argument) return self.helo == "me" and "251 " .. argument or nil end,
      VRFY = { "250-one", "250 two" },
      NOOP = { raw = "25" },
      HELP = "250-a\n250 b\n",
      XFOO = "299 known",
    } }
    local rows = {
      { "MAIL FROM:<a@x>", "251 FROM:<a@x>\r\n" },
      { "RCPT TO:<nobody@y>", "550 5.1.1 no such user\r\n" },
      { "RCPT TO:<b@y>", "250 2.1.5 recipient ok\r\n" }, { "VRFY b", "250-one\r\n250 two\r\n" },
      { "NOOP", "25" }, { "HELP", "250-a\n250 b\n" }, { "XFOO", "299 known\r\n" },
    }
    for _, row in ipairs(rows) do assert.equal(row[2], (server:feed(row[1] .. "\r\n"))) end
  end)

  it("has an effect only if the reply is a yes", function()
    local server = started { replies = { MAIL = "451 4.3.0 later" } }
    assert.truthy(server:feed(ENVELOPE):find("^451 4.3.0 later\r\n503 "))
  end)

  it("ends the connection at every stage", function()
    --        fate      what is said                        kept
    local rows = {
      { true, "", 0 }, { "before", "", 0 }, { "lost", "", 1 },
      { "after", "250 2.0.0 taken as 1\r\n", 1 }, { 5, "250 2", 1 },
    }
    for _, row in ipairs(rows) do
      local server = started { disconnect = { ["."] = row[1] } }
      server:feed(ENVELOPE .. "DATA\r\n")
      local said, action = server:feed("x\r\n.\r\nNOOP\r\n")
      assert.equal(row[2], said)
      assert.equal("close", action)
      assert.equal(row[3], #server.messages)
    end
  end)

  it("ends the connection before the greeting, after it, and within a body", function()
    assert.same({ "", "close" }, { session.new { disconnect = { connect = true } }:open() })
    local said, action = session.new { disconnect = { greeting = "after" } }:open()
    assert.equal("220 ", said:sub(1, 4))
    assert.equal("close", action)
    local server = started { disconnect = { DATA_MIDDLE = 10 } }
    server:feed(ENVELOPE .. "DATA\r\n")
    assert.is_nil(select(2, server:feed("123456789")))
    assert.equal("close", select(2, server:feed("0")))
  end)

  it("waits, falls silent, and never ends", function()
    local server = started { delays = { NOOP = 0.5 }, stall = { RSET = true },
      replies = { HELP = { endless = "250-x\r\n" } } }
    assert.same({ "", "delay", 0.5 }, { server:feed("NOOP\r\n") })
    assert.equal("250 2.0.0 ok\r\n", (server:feed("")))
    local said, action = server:feed("HELP\r\n")
    assert.equal("more", action)
    assert.truthy(#said >= 4096 and #server:feed("") >= 4096)
    server = started { stall = { RSET = true } }
    assert.same({ "", "stall" }, { server:feed("RSET\r\n") })
    assert.same({ "", "stall" }, { server:feed("NOOP\r\n") })
  end)
end)

describe("AUTH in a sink session", function()
  local USERS = { me = "secret", ["a,b"] = "x=y" }

  local function b64(s) return base64.encode(s) end

  it("takes PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER, right or wrong", function()
    local rows = {
      { "AUTH PLAIN " .. b64 "\0me\0secret", "235" }, { "AUTH PLAIN " .. b64 "\0me\0wrong", "535" },
      { "AUTH PLAIN " .. b64 "\0you\0secret", "535" }, { "AUTH PLAIN !", "501" },
      { "AUTH PLAIN\r\n" .. b64 "\0me\0secret", "235" }, { "AUTH PLAIN\r\n*", "501" },
      { "AUTH LOGIN\r\n" .. b64 "me" .. "\r\n" .. b64 "secret", "235" },
      { "AUTH LOGIN " .. b64 "me" .. "\r\n" .. b64 "no", "535" },
      { "AUTH XOAUTH2 " .. b64 "user=me\1auth=Bearer secret\1\1", "235" },
      { "AUTH XOAUTH2 " .. b64 "user=me\1auth=Bearer no\1\1" .. "\r\n", "535" },
      { "AUTH OAUTHBEARER " .. b64 "n,a=me,\1host=h\1port=25\1auth=Bearer secret\1\1", "235" },
      { "AUTH NTLM", "504" }, { "AUTH EXTERNAL =", "504" },
    }
    for _, row in ipairs(rows) do
      local server = started { auth = USERS }
      local said = server:feed(row[1] .. "\r\n")
      assert.equal(row[2], said:match("(%d+) [^\n]*\n$"), row[1])
      assert.equal(row[2] == "235" and "me" or nil, server.user)
    end
  end)

  it("offers -PLUS only where there is something to bind to", function()
    local server = started { auth = USERS }
    assert.falsy(server:feed("EHLO me\r\n"):find("-PLUS", 1, true))
    server:secured { binding = function() return "bytes" end }
    assert.truthy(server:feed("EHLO me\r\n"):find("SCRAM-SHA-256-PLUS", 1, true))
  end)

  it("lets the script challenge without end", function()
    local server = started { auth = USERS, replies = { AUTH = "334 eA==", ["AUTH+"] = "334 eA==" } }
    assert.equal("334 eA==\r\n", (server:feed("AUTH PLAIN\r\n")))
    for _ = 1, 20 do assert.equal("334 eA==\r\n", (server:feed("eA==\r\n"))) end
  end)
end)

describe("SCRAM in a sink session", function()
  local core = require "smtplib.core"

  local function hmac(hash, key, text) return core.hmac(hash, key, text):digest() end

  local function xor(a, b)
    return (a:gsub("()(.)", function(i, c)
      local x, y, sum, bit = c:byte(), b:byte(i), 0, 1
      while bit < 256 do
        if math.floor(x / bit) % 2 ~= math.floor(y / bit) % 2 then sum = sum + bit end
        bit = bit * 2
      end
      return string.char(sum)
    end))
  end

  -- A client of RFC 5802. Returns the codes, the server's last challenge and
  -- whether the signature in it is right.
  local function log_in(server, mechanism, client)
    local hash = mechanism:match("SHA%-%d+"):lower():gsub("-", "")
    local header = (client.flag or "n") .. ",,"
    local bare = "n=me,r=" .. "clientnonce"
    local said = server:feed(("AUTH %s %s\r\n"):format(mechanism, base64.encode(header .. bare)))
    local first = base64.decode(said:match("^334 (%S+)\r\n$") or "") or ""
    local nonce, salt, count = first:match("^r=([^,]+),s=([^,]+),i=(%d+)$")
    if not nonce then return said:sub(1, 3), first end
    local unproven = ("c=%s,r=%s"):format(base64.encode(header .. (client.bound or "")), nonce)
    local text = table.concat({ bare, first, unproven }, ",")
    local salted = core.pbkdf2(hash, client.password or "secret", base64.decode(salt),
      tonumber(count))
    local key = hmac(hash, salted, "Client Key")
    local proof = xor(key, hmac(hash, core.digest(hash, key), text))
    said = server:feed(base64.encode(unproven .. ",p=" .. base64.encode(proof)) .. "\r\n")
    local last = base64.decode(said:match("^334 (%S+)\r\n$") or "") or ""
    if last == "" then return said:sub(1, 3), last end
    local right = last == "v=" .. base64.encode(hmac(hash, hmac(hash, salted, "Server Key"), text))
    return server:feed("\r\n"):sub(1, 3), last, right
  end

  local function secured(options)
    options.auth = { me = "secret" }
    local server = started(options)
    server:secured { binding = function(kind) return kind == "tls-exporter" and "BOUND" or nil end }
    server:feed("EHLO me\r\n")
    return server
  end

  it("logs in with each digest, and proves itself", function()
    for _, name in ipairs { "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512" } do
      local server = started { auth = { me = "secret" } }
      local code, _, right = log_in(server, name, {})
      assert.same({ "235", true, "me" }, { code, right, server.user })
      assert.equal("535", (log_in(started { auth = { me = "other" } }, name, {})))
      code, _, right = log_in(secured {}, name .. "-PLUS",
        { flag = "p=tls-exporter", bound = "BOUND" })
      assert.same({ "235", true }, { code, right })
    end
  end)

  it("refuses a false binding, and notices a downgrade", function()
    local rows = {
      { "SCRAM-SHA-256-PLUS", { flag = "p=tls-exporter", bound = "OTHER" } },
      { "SCRAM-SHA-256-PLUS", { flag = "p=tls-unique", bound = "BOUND" } },
      { "SCRAM-SHA-256-PLUS", { flag = "n" } }, { "SCRAM-SHA-256", { flag = "y" } },
      { "SCRAM-SHA-256", { flag = "p=tls-exporter", bound = "BOUND" } },
    }
    for _, row in ipairs(rows) do assert.equal("535", (log_in(secured {}, row[1], row[2]))) end
    assert.equal("235", (log_in(started { auth = { me = "secret" } }, "SCRAM-SHA-256",
      { flag = "y" })))
  end)

  it("lies when told to", function()
    local function faulty(faults)
      return log_in(started { auth = { me = "secret" }, auth_faults = faults }, "SCRAM-SHA-256", {})
    end
    local code, last, right = faulty { signature = true }
    assert.same({ "235", "v=", false }, { code, last:sub(1, 2), right })
    assert.same({ "235", "" }, { faulty { unsigned = true } })
    assert.equal("e=other-error", select(2, faulty { server_first = "e=other-error" }))
  end)
end)
