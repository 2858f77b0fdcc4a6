-- OpenSMTPD: a server with neither PIPELINING nor CHUNKING, that answers 500 to
-- commands sent together; and whose STARTTLS is offered, accepted and broken.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"
local bodies = require "spec.interop.bodies"

describe("OpenSMTPD", function()
  local missing = servers.missing()
  if missing then return pending(missing) end
  local opensmtpd = servers.opensmtpd()
  if not opensmtpd then return pending("OpenSMTPD needs mount namespaces") end

  local server
  local sender, alice = "sender@example.test", "alice@example.test"

  teardown(function() opensmtpd:stop() end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(overrides)
    server = assert(smtplib.SMTP(opensmtpd:options(overrides)))
    return server
  end

  local function assert_delivered(text, id, stored)
    local mail = opensmtpd:delivered(id)
    assert.is_nil(servers.difference(stored or servers.stored(text), mail.bytes))
  end

  it("takes several messages, one command at a time", function()
    connect()
    for _ = 1, 3 do
      local text, id = servers.message("Hello.\r\n")
      assert.same({}, assert(server:sendmail(sender, alice, text)))
      assert_delivered(text, id)
    end
    assert.is_false(server:has_extn("pipelining"))
    assert.equal(221, (server:quit()))
  end)

  it("takes several messages in one call", function()
    local messages, ids = {}, {}
    for i = 1, 5 do
      local text
      text, ids[i] = servers.message(i .. "\r\n")
      messages[i] = { from = sender, to = alice, message = text }
    end
    local results = assert(connect():send_messages(messages))
    for i = 1, 5 do
      assert.is_nil(results[i].err, tostring(results[i].err))
      assert_delivered(messages[i].message, ids[i])
    end
  end)

  it("refuses one of three recipients, and the others get their mail", function()
    local text, id = servers.message("Hello.\r\n")
    local refused = assert(connect():sendmail(sender, { alice, "unknown@example.test", "bob@example.test" }, text))
    assert.equal(550, refused["unknown@example.test"][1])
    assert.equal(2, #opensmtpd:collect(id, 2))
  end)

  it("refuses the only recipient, and the connection goes on", function()
    local result, err = connect():sendmail(sender, "tempfail@example.test", "Subject: never\r\n\r\n")
    assert.is_nil(result)
    assert.is_true(err:is(smtplib.SMTPRecipientsRefused), tostring(err))
    assert.is_true(err.temporary)
    local text, id = servers.message("Hello.\r\n")
    assert.same({}, assert(server:sendmail(sender, alice, text)))
    assert_delivered(text, id)
  end)

  it("cannot do TLS: nothing is sent in clear instead", function()
    for _, tls in ipairs { "starttls", "opportunistic" } do
      local err
      server, err = smtplib.SMTP(opensmtpd:options { tls = tls })
      assert.is_nil(server)
      assert.is_true(err:is(smtplib.SMTPTLSError), tostring(err))
      assert.equal("none", err.delivery)
    end
    assert.equal(0, opensmtpd:count())
  end)

  describe("delivers byte for byte", function()
    for _, body in ipairs(bodies) do
      it(body[1], function()
        local text, id = servers.message(body[2])
        assert.same({}, assert(connect():sendmail(sender, alice, text)))
        local head = text:sub(1, #text - #body[2])
        assert_delivered(text, id, servers.stored(head) .. (body[3] or servers.stored(body[2])))
      end)
    end
  end)
end)
