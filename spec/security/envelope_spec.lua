-- Misrouting and parameter smuggling: the path on the wire is the parsed
-- address, quoted anew, and nothing behind it that the caller did not name.
local smtplib = require "smtplib"
local wire = require "spec.security.wire"

-- What is sent for one recipient: the RCPT line, or nil when it was refused.
local function rcpt_line(address, options)
  local server, peer = wire.connect(options or {})
  local before = #peer.sent
  local refused, err = server:sendmail("a@example.org", address, "hi")
  local found
  if refused then
    for line in peer.sent:sub(before + 1):gmatch("[^\r\n]+") do
      if line:find("^RCPT ") then
        assert(not found, "two recipients of one")
        found = line
      end
    end
    return assert(found)
  end
  assert.is_true(smtplib.is_error(err))
  assert.equal("", peer.sent:sub(before + 1), address)
  return nil
end

describe("Always < addr-spec > with the local part quoted again:", function()
  local sent = {
    -- as given                                  what reaches the wire
    { "b@example.org", "RCPT TO:<b@example.org>" },
    { "<b@example.org>", "RCPT TO:<b@example.org>" },
    { "Name <b@example.org>", "RCPT TO:<b@example.org>" },
    { '"b c"@example.org', 'RCPT TO:<"b c"@example.org>' },
    { '"b@evil.example x"@example.org', 'RCPT TO:<"b@evil.example x"@example.org>' },
    { '"<b@evil.example>"@example.org', 'RCPT TO:<"<b@evil.example>"@example.org>' },
    { '"b> NOTIFY=NEVER"@example.org', 'RCPT TO:<"b> NOTIFY=NEVER"@example.org>' },
    { '"b\\" c"@example.org', 'RCPT TO:<"b\\" c"@example.org>' },
    { '"<b@evil.example>" <c@example.org>', "RCPT TO:<c@example.org>" },
    { '"b@evil.example," <c@example.org>', "RCPT TO:<c@example.org>" },
    { "b@[127.0.0.1]", "RCPT TO:<b@[127.0.0.1]>" },
  }
  for _, case in ipairs(sent) do
    it(case[1], function()
      assert.equal(case[2], rcpt_line(case[1]))
    end)
  end
end)

describe("Unparsable is an error, not a guess; > or a space outside quotes is one:", function()
  local refused = {
    "b@example.org> NOTIFY=NEVER", "<b@example.org> NOTIFY=NEVER", "b@example.org NOTIFY=NEVER", "<b@example.org",
    "b@example.org>", "b@example.org>,<c@example.org", "<b@example.org><c@example.org>", "b@example.org,c@example.org",
    "b@example.org;c@example.org", "b c@example.org", "b@exam ple.org", "b>@example.org", "b<@example.org",
    "a@b@example.org", "@example.org", "b@", "", "<>", "b@example.org\\", '"b@example.org', 'b"c"@example.org',
    "b..c@example.org", ".b@example.org", "b.@example.org", "b@example..org", "b@.example.org", "b@-example.org",
    "alice@a)bob@b", "a(b@example.org", "user@good(x)evil", "user@good.example(x)evil", "b@[127.0.0.1", "b@127.0.0.1]",
    "b@[999.0.0.1]", "b@[x y]", "@a,@b:c@example.org", "=?utf-8?q?b?=@", "=?utf-8?q?b?= c@example.org",
    "b@example.org (comment", "group: b@example.org;", "b@exam_ple.org:25", "b@example.org/evil", "b@example.org%00",
  }
  for _, address in ipairs(refused) do
    it(("%q"):format(address), function()
      local line = rcpt_line(address)
      assert.is_nil(line, line)
    end)
  end
end)

describe("Encoded-words in addresses are never decoded:", function()
  it("an encoded-word that is an atom stays one", function()
    local line = rcpt_line("=?utf-8?q?b=40evil.example?=@example.org")
    assert.is_true(line == nil or line == "RCPT TO:<=?utf-8?q?b=40evil.example?=@example.org>", line)
  end)
end)

describe("Header and envelope come from one parsed object:", function()
  local fields = {
    { "From", "a@example.org" }, { "To", '"b@evil.example" <b@example.org>' }, { "Cc", '"x, y@evil.example" <c@example.org>' },
    { "Bcc", "d@example.org" },
  }
  it("send_message addresses just the mailboxes of the fields", function()
    local server, peer = wire.connect {}
    local message = smtplib.email.Message()
    for _, field in ipairs(fields) do message[field[1]] = field[2] end
    message["Message-ID"] = "<1@mx.example.org>" -- no random bytes next to the domain
    message:set_payload("hi")
    assert.same({}, (server:send_message(message)))
    local to = {}
    for path in peer.sent:gmatch("RCPT TO:<([^\r\n]*)>") do to[#to + 1] = path end
    assert.same({ "b@example.org", "c@example.org", "d@example.org" }, to)
    assert.is_nil(peer.sent:find("Bcc", 1, true))
    assert.equal(1, select(2, peer.sent:gsub("d@example%.org", "")))
  end)
end)

describe("A non-ASCII local part needs SMTPUTF8, or is an error before MAIL:", function()
  it("without the extension nothing is sent", function()
    assert.is_nil(rcpt_line("j\195\188rgen@example.org", { extensions = { SMTPUTF8 = false } }))
    assert.equal("RCPT TO:<j\195\188rgen@example.org>", rcpt_line("j\195\188rgen@example.org"))
  end)
end)

describe("Arguments are never changed:", function()
  it("tables given to sendmail are the same afterwards", function()
    local server = wire.connect {}
    local to = { "b@example.org", { addr = "c@example.org", NOTIFY = "NEVER" } }
    local mail, rcpt = { "X=1", SIZE = 5 }, { NOTIFY = "FAILURE" }
    server:sendmail("a@example.org", to, "hi", mail, rcpt)
    assert.same({ "b@example.org", { addr = "c@example.org", NOTIFY = "NEVER" } }, to)
    assert.same({ "X=1", SIZE = 5 }, mail)
    assert.same({ NOTIFY = "FAILURE" }, rcpt)
  end)
end)
