-- sendmail and data: the order of events, recipients, refusals (API section 3.1).
local client = require "spec.support.client"

local together = { CHUNKING = false }
local apart = { CHUNKING = false, PIPELINING = false }

local function greeted(peer_options, options)
  local server, peer = client.connect(peer_options, options)
  server:ehlo()
  return server, peer
end

describe("sendmail", function()
  it("sends EHLO if needed, MAIL with size, RCPTs, DATA", function()
    local server, peer = client.connect()
    assert.same({}, server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "Subject: x\n\nbody"))
    assert.same({
      "EHLO client.example", "MAIL FROM:<a@b.example> size=20", "RCPT TO:<c@d.example>", "RCPT TO:<e@f.example>",
      "DATA",
    }, peer:commands())
    local message = peer.messages[1]
    assert.equal("a@b.example", message.from)
    assert.equal("Subject: x\r\n\r\nbody\r\n", message.data)
    assert.equal(2, #message.to)
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "again"))
    assert.equal(1, client.count(peer, "EHLO"))
    assert.equal(2, #peer.messages)
  end)

  it("sends the envelope in one write with PIPELINING, and waits twice", function()
    local server, peer = greeted { extensions = together }
    local writes, turns = peer.writes, peer.turns
    server:sendmail("a@b.example", { "c@d.example", "e@f.example", "g@h.example" }, "x")
    assert.equal(2, peer.writes - writes)
    assert.equal(2, peer.turns - turns)
    assert.equal(0, peer:finding("unsynchronised"))
  end)

  it("sends one command at a time without PIPELINING", function()
    local server, peer = greeted { extensions = apart }
    assert.same({}, server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x"))
    assert.equal(0, peer:finding("pipelined_unoffered"))
    assert.equal(0, peer:finding("unsynchronised"))
  end)

  it("takes any address that can be parsed, and sends its addr-spec", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail("A. Person <a@b.example>", { '"C, D" <c@d.example>', "<e@f.example>", "postmaster",
      '"odd one"@g.example' }, "x"))
    assert.equal("a@b.example", peer.messages[1].from)
    local to = {}
    for i, one in ipairs(peer.messages[1].to) do to[i] = one.addr end
    assert.same({ "c@d.example", "e@f.example", "postmaster", '"odd one"@g.example' }, to)
  end)

  it("has the null reverse-path for \"\" and <>", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail("", "c@d.example", "x"))
    assert.same({}, server:sendmail("<>", "c@d.example", "x"))
    assert.equal("", peer.messages[1].from)
    assert.equal("", peer.messages[2].from)
  end)

  it("takes a string for one recipient, and never cuts it at a comma", function()
    local server, peer = greeted()
    local refused, err = server:sendmail("a@b.example", "c@d.example, e@f.example", "x")
    assert.is_nil(refused)
    assert.equal("SMTPException", err.name)
    assert.equal(1, #peer:commands())
  end)

  it("sends to duplicates once", function()
    local server, peer = greeted()
    assert.same({}, server:sendmail("a@b.example", { "c@d.example", "C <c@d.example>", "c@D.EXAMPLE", "<c@d.example>",
      "C@d.example" }, "x"))
    local to = peer.messages[1].to
    assert.equal(2, #to)
    assert.equal("C@d.example", to[2].addr)
  end)

  it("refuses what cannot be parsed before MAIL, one bad recipient among many too", function()
    for _, bad in ipairs {
      "", "<>", "a@", "@b", "a b@c.example", "a@b@c.example", "x <a@b.example> <c@d.example>", "a@b.example> SIZE=1",
      "a@b..example", ".a@b.example", "a@b.example (", ("x"):rep(65) .. "@b.example", "a@" .. ("x"):rep(256),
      '"a@evil.example x"@', "user@[300.1.1.1]", "a,b@c.example", "a@b_c d", "\128@b.example",
    } do
      local server, peer = greeted()
      for _, to in ipairs { bad, { "ok@b.example", bad } } do
        local refused, err = server:sendmail("a@b.example", to, "x")
        assert.is_nil(refused, bad)
        assert.equal("SMTPException", err.name)
        assert.equal("none", err.delivery)
        assert.is_false(err.temporary)
        assert.equal(1, #peer:commands())
      end
      if bad ~= "" and bad ~= "<>" then
        assert.is_nil((server:sendmail(bad, "c@d.example", "x")), bad)
        assert.equal(1, #peer:commands())
      end
      assert.is_true(server:is_open())
    end
  end)

  it("to nobody is SMTPRecipientsRefused with an empty table, and sends nothing", function()
    local server, peer = greeted()
    local refused, err = server:sendmail("a@b.example", {}, "x")
    assert.is_nil(refused)
    assert.equal("SMTPRecipientsRefused", err.name)
    assert.same({}, err.recipients)
    assert.equal(1, #peer:commands())
    assert.is_true(server:is_open())
  end)

  it("leaves its arguments as they were", function()
    local server = greeted()
    local to = { "c@d.example", { addr = "e@f.example", NOTIFY = "NEVER" } }
    local mail_options, rcpt_options = { "RET=HDRS", ENVID = "x" }, { ORCPT = "rfc822;x@y" }
    server:sendmail("a@b.example", to, "x", mail_options, rcpt_options)
    assert.same({ "c@d.example", { addr = "e@f.example", NOTIFY = "NEVER" } }, to)
    assert.same({ "RET=HDRS", ENVID = "x" }, mail_options)
    assert.same({ ORCPT = "rfc822;x@y" }, rcpt_options)
  end)

  it("works with a server of HELO", function()
    local server, peer = client.connect { esmtp = false }
    assert.same({}, server:sendmail("a@b.example", "c@d.example", "gr\195\188n"))
    assert.equal("MAIL FROM:<a@b.example>", peer:commands()[3])
  end)
end)

-- Each refusal with and without PIPELINING.
for title, extensions in pairs { ["with PIPELINING"] = together, ["without PIPELINING"] = apart } do
  describe("a refusal " .. title, function()
    it("of MAIL: SMTPSenderRefused, RSET, and the connection stays", function()
      local server, peer = greeted { replies = { MAIL = "550 5.1.8 not you" }, extensions = extensions }
      local refused, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
      assert.is_nil(refused)
      assert.equal("SMTPSenderRefused", err.name)
      assert.same({ 550, "not you", "5.1.8", "a@b.example", "MAIL", "none", false },
        { err.smtp_code, err.smtp_error, err.enhanced_code, err.sender, err.command, err.delivery, err.temporary })
      assert.equal("SMTPSenderRefused: 550 5.1.8 not you (MAIL)", tostring(err))
      assert.is_true(server:is_open())
      assert.equal(250, (server:noop()))
      assert.equal(1, client.count(peer, "RSET"))
      assert.equal(0, #peer.messages)
    end)

    it("of MAIL for now is temporary", function()
      local server = greeted { replies = { MAIL = "451 4.3.0 later" }, extensions = extensions }
      local _, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_true(err.temporary)
      assert.equal(451, err.smtp_code)
    end)

    it("of some recipients is returned, keyed by the address as given", function()
      local server, peer = greeted {
        replies = { ["RCPT c@d.example"] = "550 5.1.1 unknown", ["RCPT g@h.example"] = "452 full" },
        extensions = extensions,
      }
      local refused, err = server:sendmail("a@b.example", { "C <c@d.example>", "e@f.example", "g@h.example" }, "x")
      assert.is_nil(err)
      assert.same({ 550, "unknown", "5.1.1" }, refused["C <c@d.example>"])
      assert.same({ 452, "full" }, refused["g@h.example"])
      assert.is_nil(refused["e@f.example"])
      assert.equal(1, #peer.messages[1].to)
      assert.equal(0, client.count(peer, "RSET"))
    end)

    it("of all recipients: RSET and SMTPRecipientsRefused", function()
      local server, peer = greeted {
        replies = { ["RCPT c@d.example"] = "550 5.1.1 unknown", ["RCPT e@f.example"] = "450 4.2.1 busy" },
        extensions = extensions,
      }
      local refused, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
      assert.is_nil(refused)
      assert.equal("SMTPRecipientsRefused", err.name)
      assert.same({ ["c@d.example"] = { 550, "unknown", "5.1.1" }, ["e@f.example"] = { 450, "busy", "4.2.1" } },
        err.recipients)
      assert.equal("RCPT", err.command)
      assert.equal("none", err.delivery)
      assert.is_false(err.temporary)
      assert.equal(250, (server:noop()))
      assert.equal(1, client.count(peer, "RSET"))
      assert.equal(0, #peer.messages)
    end)

    it("of all recipients for now is temporary", function()
      local server = greeted { replies = { RCPT = "450 4.2.1 busy" }, extensions = extensions }
      local _, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
      assert.is_true(err.temporary)
    end)

    it("of all recipients, where DATA is answered 354 all the same, delivers nothing", function()
      local server, peer = greeted {
        replies = { RCPT = "550 no", DATA = "354 go on, then", ["."] = "554 nobody" }, extensions = extensions,
      }
      local refused, err = server:sendmail("a@b.example", "c@d.example", "secret body")
      assert.is_nil(refused)
      assert.equal("SMTPRecipientsRefused", err.name)
      assert.equal(0, #peer.messages)
      assert.equal(250, (server:noop()))
    end)

    it("of DATA: SMTPDataError and RSET", function()
      local server, peer = greeted { replies = { DATA = "451 4.3.1 no room" }, extensions = extensions }
      local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_nil(refused)
      assert.equal("SMTPDataError", err.name)
      assert.same({ 451, "no room", "4.3.1", "DATA", "none", true },
        { err.smtp_code, err.smtp_error, err.enhanced_code, err.command, err.delivery, err.temporary })
      assert.equal(250, (server:noop()))
      assert.equal(1, client.count(peer, "RSET"))
    end)

    it("of the message: SMTPDataError, delivery is none", function()
      local server, peer = greeted { replies = { ["."] = "554 5.7.1 Spam" }, extensions = extensions }
      local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_nil(refused)
      assert.equal("SMTPDataError: 554 5.7.1 Spam (DATA)", tostring(err))
      assert.equal("none", err.delivery)
      assert.is_false(err.temporary)
      assert.equal(250, (server:noop()))
      assert.equal(0, #peer.messages)
      peer.options.replies = nil
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "better"))
    end)

    it("that loses the connection at RSET leaves the first error", function()
      for _, row in ipairs { { "MAIL", "SMTPSenderRefused" }, { "RCPT", "SMTPRecipientsRefused" }, { "DATA", "SMTPDataError" } } do
        for _, end_of in ipairs { { disconnect = { RSET = true } }, { stall = { RSET = true } }, { replies = { RSET = "421 bye" } } } do
          local options = { extensions = extensions, disconnect = end_of.disconnect, stall = end_of.stall, replies = {} }
          for name, reply in pairs(end_of.replies or {}) do options.replies[name] = reply end
          options.replies[row[1]] = "550 5.0.0 no"
          local server = greeted(options, { timeout = 0.2 })
          local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
          assert.is_nil(refused)
          assert.equal(row[2], err.name)
        end
      end
    end)

    it("is none for any 2yz", function()
      local server, peer = greeted {
        replies = { MAIL = "259 hm", RCPT = "252 cannot verify", ["."] = "299 well" }, extensions = extensions,
      }
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
      assert.equal(1, #peer.messages)
      server = greeted { replies = { RCPT = "251 will forward" }, extensions = extensions }
      assert.same({}, server:sendmail("a@b.example", "c@d.example", "x"))
    end)

    it("is a 3yz where none belongs", function()
      for verb, name in pairs { MAIL = "SMTPSenderRefused", RCPT = "SMTPRecipientsRefused" } do
        local server = greeted { replies = { [verb] = "354 odd" }, extensions = extensions }
        local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
        assert.is_nil(refused)
        assert.equal(name, err.name)
      end
    end)

    it("is no 3yz to the message: nobody knows what it means", function()
      local server = greeted { replies = { ["."] = "354 odd" }, extensions = extensions }
      local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_nil(refused)
      assert.equal("SMTPResponseException", err.name)
      assert.equal("unknown", err.delivery)
      assert.is_false(server:is_open())
    end)

    it("is a 2yz to DATA", function()
      local server, peer = greeted { replies = { DATA = "250 odd" }, extensions = extensions }
      local refused, err = server:sendmail("a@b.example", "c@d.example", "x")
      assert.is_nil(refused)
      assert.equal("SMTPDataError", err.name)
      assert.equal(0, #peer.messages)
    end)
  end)
end

describe("data", function()
  local function enveloped(options)
    local server, peer = greeted(options)
    server:mail("a@b.example")
    server:rcpt("c@d.example")
    server:rcpt("e@f.example")
    return server, peer
  end

  it("returns the final reply, whatever it is", function()
    local server, peer = enveloped()
    local code, message, enhanced = server:data("one\n.two")
    assert.same({ 250, "taken as 1", "2.0.0" }, { code, message, enhanced })
    assert.equal("one\r\n.two\r\n", peer.messages[1].data)
    server = enveloped { replies = { ["."] = "554 5.7.1 no" } }
    code, message = server:data("x")
    assert.same({ 554, "no" }, { code, message })
    assert.is_true(server:is_open())
  end)

  it("that is refused itself is SMTPDataError; the transaction stays the caller's", function()
    local server, peer = enveloped { replies = { DATA = "503 5.5.1 not now" } }
    local code, err = server:data("x")
    assert.is_nil(code)
    assert.equal("SMTPDataError", err.name)
    assert.same({ 503, "not now", "DATA", "none" }, { err.smtp_code, err.smtp_error, err.command, err.delivery })
    peer.options.replies = nil
    assert.equal(250, (server:data("x")))
    assert.equal(2, #peer.messages[1].to)
    server = enveloped { replies = { DATA = "421 bye" } }
    code, err = server:data("x")
    assert.is_nil(code)
    assert.equal("SMTPDataError", err.name)
    assert.is_false(server:is_open())
  end)

  it("takes everything that sendmail takes", function()
    local parts = { "a\n", "b" }
    local server, peer = enveloped()
    server:data(function() return table.remove(parts, 1) end)
    assert.equal("a\r\nb\r\n", peer.messages[1].data)
  end)

  it("loses the server at the final reply: delivery is unknown", function()
    for _, options in ipairs { { disconnect = { ["."] = true } }, { stall = { ["."] = true } },
      { replies = { ["."] = { raw = "25" } } }, { replies = { ["."] = "nonsense" } } } do
      local server = enveloped(options)
      local code, err = server:data("x")
      assert.is_nil(code)
      assert.equal("unknown", err.delivery)
      assert.is_false(server:is_open())
    end
  end)
end)

describe("LMTP", function()
  local function greeted_lmtp(options)
    options.lmtp = true
    return greeted(options)
  end

  it("has a reply for each recipient, and no words left over", function()
    local server, peer = greeted_lmtp {}
    assert.same({}, server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x"))
    assert.same({ 250, "ok", "2.0.0" }, { server:noop() })
    assert.equal(2, #peer.messages[1].to)
    assert.equal("LHLO client.example", peer:commands()[1])
  end)

  it("joins refusals after DATA to the refused", function()
    local server, peer = greeted_lmtp {
      replies = { ["RCPT g@h.example"] = "550 5.1.1 unknown", [". e@f.example"] = "552 5.2.2 over quota" },
    }
    assert.same({ ["E <e@f.example>"] = { 552, "over quota", "5.2.2" }, ["g@h.example"] = { 550, "unknown", "5.1.1" } },
      server:sendmail("a@b.example", { "c@d.example", "E <e@f.example>", "g@h.example", "i@j.example" }, "x"))
    assert.equal(2, #peer.messages[1].to)
    assert.equal(250, (server:noop()))
  end)

  it("refused for all after DATA: SMTPRecipientsRefused", function()
    local server = greeted_lmtp { replies = { ["."] = "452 4.2.2 full" } }
    local refused, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
    assert.is_nil(refused)
    assert.equal("SMTPRecipientsRefused", err.name)
    assert.same({ ["c@d.example"] = { 452, "full", "4.2.2" }, ["e@f.example"] = { 452, "full", "4.2.2" } }, err.recipients)
    assert.is_true(err.temporary)
    assert.equal("none", err.delivery)
    assert.equal(250, (server:noop()))
  end)

  it("of data() gives a list, one for each accepted recipient", function()
    local server = greeted_lmtp {
      replies = { ["RCPT e@f.example"] = "550 no", [". g@h.example"] = "552 5.2.2 full" },
    }
    server:mail("a@b.example")
    for _, to in ipairs { "c@d.example", "e@f.example", "g@h.example" } do server:rcpt(to) end
    local replies = server:data("x")
    assert.equal(2, #replies)
    assert.equal(250, replies[1][1])
    assert.same({ 552, "full", "5.2.2" }, replies[2])
    assert.equal(250, (server:noop()))
  end)

  it("lost between the recipients' replies: delivery is unknown", function()
    for _, code in ipairs { "250", "550" } do
      local server = greeted_lmtp {
        replies = { [". c@d.example"] = code .. " first" }, disconnect = { [". e@f.example"] = true },
      }
      local refused, err = server:sendmail("a@b.example", { "c@d.example", "e@f.example" }, "x")
      assert.is_nil(refused)
      assert.equal("SMTPServerDisconnected", err.name)
      assert.equal("unknown", err.delivery)
    end
  end)
end)
