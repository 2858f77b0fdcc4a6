-- send_message: envelopes from headers, and how the copy for the wire differs
-- from the caller's message (API section 3.1).
local client = require "spec.support.client"
local smtplib = require "smtplib"

local Message = smtplib.email.Message
local parsed = smtplib.email.message_from_string

local function greeted(peer_options, options)
  local server, peer = client.connect(peer_options, options)
  server:ehlo()
  return server, peer
end

local function message_of(headers, text)
  local message = Message()
  for _, pair in ipairs(headers) do message:add_header(pair[1], pair[2]) end
  message:set_payload(text or "hello\n")
  return message
end

-- The envelope that a message gets.
local function envelope_of(headers, ...)
  local server, peer = greeted()
  local refused, err = server:send_message(message_of(headers), ...)
  assert.same({}, refused, tostring(err))
  local to = {}
  for i, one in ipairs(peer.messages[1].to) do to[i] = one.addr end
  return peer.messages[1].from, to, peer.messages[1].data
end

describe("the envelope of a message", function()
  it("is From, and To, Cc and Bcc", function()
    local from, to = envelope_of {
      { "From", "A <a@b.example>" }, { "To", "c@d.example, E <e@f.example>" }, { "Cc", "g@h.example" },
      { "Bcc", "i@j.example" },
    }
    assert.equal("a@b.example", from)
    table.sort(to)
    assert.same({ "c@d.example", "e@f.example", "g@h.example", "i@j.example" }, to)
  end)

  it("prefers Sender to From", function()
    assert.equal("s@b.example", (envelope_of {
      { "From", "a@b.example, x@b.example" }, { "Sender", "s@b.example" }, { "To", "c@d.example" },
    }))
  end)

  it("is the first of several in From", function()
    assert.equal("a@b.example", (envelope_of { { "From", "a@b.example, x@b.example" }, { "To", "c@d.example" } }))
  end)

  it("takes groups, quoted names with commas, comments and encoded names", function()
    local _, to = envelope_of {
      { "From", "a@b.example" }, { "To", 'list: c@d.example, "x, y" <e@f.example>;, g@h.example (a, comment)' },
      { "Cc", { { name = "J\195\188rgen, K", addr = "j@k.example" } } },
    }
    assert.same({ "c@d.example", "e@f.example", "g@h.example", "j@k.example" }, to)
  end)

  it("is Resent-* first", function()
    local from, to = envelope_of {
      { "Resent-Date", "Mon, 23 Nov 2026 20:08:22 +0000" }, { "Resent-From", "r@b.example" }, { "Resent-To", "s@d.example" },
      { "Resent-Bcc", "t@d.example" }, { "From", "a@b.example" }, { "To", "c@d.example" },
    }
    assert.equal("r@b.example", from)
    table.sort(to)
    assert.same({ "s@d.example", "t@d.example" }, to)
    assert.equal("q@b.example", (envelope_of {
      { "Resent-Date", "Mon, 23 Nov 2026 20:08:22 +0000" }, { "Resent-From", "r@b.example" },
      { "Resent-Sender", "q@b.example" }, { "Resent-To", "s@d.example" }, { "From", "a@b.example" },
    }))
  end)

  it("of more than one Resent-Date is an error, nothing sent", function()
    local server, peer = greeted()
    local refused, err = server:send_message(message_of {
      { "Resent-Date", "Mon, 23 Nov 2026 20:08:22 +0000" }, { "Resent-Date", "Mon, 23 Nov 2026 20:08:23 +0000" },
      { "Resent-From", "r@b.example" }, { "Resent-To", "s@d.example" }, { "From", "a@b.example" }, { "To", "c@d.example" },
    })
    assert.is_nil(refused)
    assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
    assert.equal(1, #peer:commands())
  end)

  it("may be given", function()
    local from, to = envelope_of({ { "From", "a@b.example" }, { "To", "c@d.example" } }, "x@y.example", { "z@y.example" })
    assert.equal("x@y.example", from)
    assert.same({ "z@y.example" }, to)
    from, to = envelope_of({ { "From", "a@b.example" }, { "To", "c@d.example" } }, nil, "z@y.example")
    assert.equal("a@b.example", from)
    assert.same({ "z@y.example" }, to)
    assert.equal("", (envelope_of({ { "From", "a@b.example" }, { "To", "c@d.example" } }, "")))
  end)

  it("without From or without recipients is an error, and never sent to None", function()
    local server, peer = greeted()
    local refused, err = server:send_message(message_of { { "To", "c@d.example" } })
    assert.is_nil(refused)
    assert.is_true(smtplib.is_error(err))
    refused, err = server:send_message(message_of { { "From", "a@b.example" } })
    assert.is_nil(refused)
    assert.equal("SMTPRecipientsRefused", err.name)
    assert.same({}, err.recipients)
    assert.equal(1, #peer:commands())
  end)

  it("with an address that cannot be parsed is an error, nothing sent", function()
    local server, peer = greeted()
    for _, bad in ipairs { "c@d.example e@f.example", "<c@d.example", "c@", "x <c@d.example> <e@f.example>" } do
      local message = parsed("From: a@b.example\nTo: ok@d.example\nCc: " .. bad .. "\n\nx\n")
      local refused, err = server:send_message(message)
      assert.is_nil(refused, bad)
      assert.is_true(smtplib.is_error(err), bad)
    end
    assert.equal(1, #peer:commands())
  end)

  it("takes options", function()
    local server, peer = greeted()
    assert.same({}, server:send_message(message_of { { "From", "a@b.example" }, { "To", "c@d.example" } }, nil, nil,
      { RET = "HDRS" }, { NOTIFY = "NEVER" }))
    assert.equal("HDRS", peer.messages[1].from_params.RET)
    assert.equal("NEVER", peer.messages[1].to[1].params.NOTIFY)
  end)
end)

describe("the copy for the wire", function()
  local basics = { { "From", "a@b.example" }, { "To", "c@d.example" } }

  it("has no Bcc in any spelling, the caller's message keeps it", function()
    local server, peer = greeted()
    local message = message_of {
      { "From", "a@b.example" }, { "BCC", "hidden@d.example" }, { "To", "c@d.example" }, { "bcc", "second@d.example" },
      { "Resent-Bcc", "third@d.example" },
    }
    local before = message:as_string()
    assert.same({}, server:send_message(message))
    assert.is_nil(peer.messages[1].data:lower():find("bcc:", 1, true))
    assert.is_nil(peer.messages[1].data:find("hidden", 1, true))
    assert.equal(before, message:as_string())
    assert.equal("hidden@d.example", message["Bcc"])
    assert.equal(3, #peer.messages[1].to)
  end)

  it("has Date, Message-ID and MIME-Version when they were missing, the caller's message has not", function()
    local server, peer = greeted()
    local message = message_of(basics)
    server:send_message(message)
    local data = peer.messages[1].data
    assert.truthy(data:find("\r\nDate: %a%a%a, %d%d? %a%a%a %d%d%d%d %d%d:%d%d:%d%d [+-]%d%d%d%d\r\n")
      or data:find("^Date: "), data)
    assert.truthy(data:find("Message%-ID: <[^>]+@b.example>\r\n"), data)
    assert.truthy(data:find("MIME-Version: 1.0\r\n", 1, true))
    assert.is_nil(message["Date"])
    assert.is_nil(message["Message-ID"])
  end)

  it("has a new Message-ID and Date each time", function()
    local server, peer = greeted()
    local message = message_of(basics)
    server:send_message(message)
    server:send_message(message)
    local ids = {}
    for i = 1, 2 do
      local _, n = peer.messages[i].data:gsub("Message%-ID:", "")
      assert.equal(1, n)
      ids[i] = peer.messages[i].data:match("Message%-ID: (%S+)")
    end
    assert.not_equal(ids[1], ids[2])
  end)

  it("keeps those that are there", function()
    local server, peer = greeted()
    server:send_message(message_of {
      { "From", "a@b.example" }, { "To", "c@d.example" }, { "date", "Mon, 23 Nov 2026 20:08:22 +0000" },
      { "message-id", "<mine@x>" }, { "mime-version", "1.0" },
    })
    local data = peer.messages[1].data
    for _, name in ipairs { "date", "message%-id", "mime%-version" } do
      local _, n = data:lower():gsub("\n" .. name .. ":", "")
      assert.equal(1, n, name)
    end
    assert.truthy(data:find("<mine@x>", 1, true))
  end)

  it("has none of them where add_missing_headers is false", function()
    for _, set in ipairs { "option", "field" } do
      local server, peer = greeted({}, { add_missing_headers = set ~= "option" })
      if set == "field" then server.add_missing_headers = false end
      server:send_message(message_of(basics))
      assert.is_nil(peer.messages[1].data:find("Date:", 1, true))
      assert.is_nil(peer.messages[1].data:find("Message-ID:", 1, true))
    end
    assert.is_true(smtplib.SMTP().add_missing_headers)
  end)

  it("of a parsed message goes out exactly as read", function()
    local text = "From:   a@b.example (odd   spaces)\r\nTo: c@d.example\r\nDATE:Mon, 23 Nov 2026 20:08:22 +0000\r\n"
      .. "Message-Id:\r\n <x@y>\r\nMIME-version: 1.0\r\nX-Long: " .. ("word "):rep(60) .. "\r\nSubject: =?utf-8?q?gr=C3=BCn?=\r\n"
      .. "\r\n body  \r\n..dots\r\nFrom me\r\n"
    local server, peer = greeted({}, { add_missing_headers = false })
    assert.same({}, server:send_message(parsed(text)))
    assert.equal(text, peer.messages[1].data)
  end)

  it("of a parsed message has no Bcc, however it is spelt", function()
    local text = "From: a@b.example\nBCC : x@y.example,\n\tz@y.example\nTo: c@d.example\nresent-bcc:q@y.example\n\nx\n"
    for _, eol in ipairs { "\n", "\r\n", "\r" } do
      local server, peer = greeted()
      assert.same({}, server:send_message(parsed((text:gsub("\n", eol)))))
      assert.equal(3, #peer.messages[1].to)
      assert.is_nil(peer.messages[1].data:lower():find("y.example", 1, true))
      assert.matches("^From: a@b%.example\r\nTo: c@d%.example\r\n", peer.messages[1].data)
    end
  end)

  it("of a parsed message is encoded where 8BITMIME is missing, unless it is signed", function()
    local text = "From: a@b.example\r\nTo: c@d.example\r\nDate: x\r\nMessage-ID: <x@y>\r\nMIME-Version: 1.0\r\n"
      .. "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngr\195\188n\r\n"
    local server, peer = greeted { extensions = { ["8BITMIME"] = false } }
    local message = parsed(text)
    assert.same({}, server:send_message(message))
    assert.matches("\r\nContent%-Transfer%-Encoding: quoted%-printable\r\n\r\ngr=C3=BCn\r\n$", peer.messages[1].data)
    assert.equal(text, message:as_bytes { eol = "\r\n" })
    assert.same({}, server:send_message(parsed("DKIM-Signature: v=1\r\n" .. text)))
    assert.equal("DKIM-Signature: v=1\r\n" .. text, peer.messages[2].data)
    server, peer = greeted()
    assert.same({}, server:send_message(message))
    assert.equal(text, peer.messages[1].data)
    assert.equal("8BITMIME", peer.messages[1].from_params.BODY)
  end)

  it("of a parsed message has its 8-bit header fields encoded", function()
    local server, peer = greeted { extensions = { SMTPUTF8 = false } }
    assert.same({}, server:send_message(parsed("From: a@b.example\nTo: c@d.example\nSubject: gr\252n\nX-A:  b\n\nx\n")))
    assert.matches("\r\nSubject: =%?utf%-8%?b%?Z3LDvG4=%?=\r\nX%-A:  b\r\n", peer.messages[1].data)
  end)

  it("has no mbox line", function()
    local server, peer = greeted()
    local message = message_of(basics)
    message:set_unixfrom("From nobody Mon Nov 23 20:08:22 2026")
    server:send_message(message)
    assert.is_nil(peer.messages[1].data:find("From nobody", 1, true))
  end)

  it("is 8-bit where 8BITMIME is offered, 7-bit where not", function()
    local message = message_of(basics)
    message:set_payload("gr\195\188n\n", "utf-8")
    local server, peer = greeted { extensions = { ["8BITMIME"] = false } }
    assert.same({}, server:send_message(message))
    assert.is_nil(peer.messages[1].data:find("[\128-\255]"))
    assert.is_nil(peer.messages[1].from_params.BODY)
    server, peer = greeted()
    assert.same({}, server:send_message(message))
    if peer.messages[1].data:find("[\128-\255]") then assert.equal("8BITMIME", peer.messages[1].from_params.BODY) end
  end)

  it("uses SMTPUTF8 for a non-ASCII address, and fails where it is not offered", function()
    local message = message_of { { "From", "j\195\188rgen@b.example" }, { "To", "c@d.example" } }
    local server, peer = greeted()
    assert.same({}, server:send_message(message))
    assert.is_true(peer.messages[1].from_params.SMTPUTF8)
    assert.truthy(peer.messages[1].data:find("j\195\188rgen@b.example", 1, true))
    server, peer = greeted { extensions = { SMTPUTF8 = false } }
    local refused, err = server:send_message(message)
    assert.is_nil(refused)
    assert.equal("SMTPNotSupportedError", err.name)
    assert.equal(1, #peer:commands())
  end)

  it("needs no SMTPUTF8 for names and subjects", function()
    local server, peer = greeted { extensions = { SMTPUTF8 = false, ["8BITMIME"] = false } }
    local message = message_of { { "From", { name = "J\195\188rgen", addr = "j@b.example" } }, { "To", "c@d.example" } }
    message["Subject"] = "Gr\195\188\195\159e"
    assert.same({}, server:send_message(message))
    assert.is_nil(peer.messages[1].data:find("[\128-\255]"))
  end)

  it("tells its size", function()
    local server, peer = greeted()
    server:send_message(message_of(basics, ".dots\nand lines\n"))
    assert.equal(tostring(#peer.messages[1].data), peer.messages[1].from_params.SIZE)
    server, peer = greeted { extensions = { SIZE = 50 } }
    local refused, err = server:send_message(message_of(basics, ("x"):rep(100)))
    assert.is_nil(refused)
    assert.equal(552, err.smtp_code)
    assert.equal(1, #peer:commands())
  end)

  it("may be sent by sendmail, with an envelope of the caller's and no more fields than it has", function()
    local server, peer = greeted()
    local message = message_of { { "From", "a@b.example" }, { "Bcc", "hidden@d.example" }, { "Subject", "x" } }
    assert.same({}, server:sendmail("x@y.example", "z@y.example", message))
    assert.equal("x@y.example", peer.messages[1].from)
    assert.is_nil(peer.messages[1].data:find("hidden", 1, true))
    assert.truthy(peer.messages[1].data:find("Subject: x\r\n", 1, true))
  end)
end)
