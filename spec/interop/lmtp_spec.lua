-- LMTP to Dovecot: one reply per recipient after the final dot.
local smtplib = require "smtplib"
local servers = require "spec.support.servers"
local bodies = require "spec.interop.bodies"

describe("Dovecot LMTP", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local dovecot, server
  local sender, alice = "sender@example.test", "alice@example.test"
  local bob, full, unknown = "bob@example.test", "full@example.test", "unknown@example.test"
  local large = ("0123456789abcde\r\n"):rep(4000) -- more than `full` may hold

  setup(function() dovecot = servers.dovecot() end)
  teardown(function() if dovecot then dovecot:stop() end end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  local function connect(overrides)
    local options = dovecot:options(overrides)
    options.port = options.host == "localhost" and dovecot.lmtp or nil
    server = assert(smtplib.LMTP(options))
    return server
  end

  local function assert_delivered(text, id, recipient, stored)
    local mail = dovecot:delivered(id, ("%s/%s/Maildir/new"):format(dovecot.mail, recipient))
    assert.is_nil(servers.difference(stored or servers.stored(text), mail.bytes))
  end

  local ways = {
    { "over TCP", function() return {} end },
    { "over TCP after STARTTLS", function() return { tls = "starttls" } end },
    { "over a Unix socket", function() return { host = dovecot.lmtp_socket } end },
    { "over a Unix socket, written unix:", function() return { host = "unix:" .. dovecot.lmtp_socket } end },
  }
  for _, way in ipairs(ways) do
    it("takes a message " .. way[1], function()
      local text, id = servers.message(".\r\n\228\r\n")
      assert.same({}, assert(connect(way[2]()):sendmail(sender, { alice, bob }, text)))
      assert.equal(221, (server:quit()))
      assert_delivered(text, id, alice)
      assert_delivered(text, id, bob)
    end)

    it("has an unknown recipient refused at RCPT and a full mailbox after the final dot " .. way[1], function()
      local text, id = servers.message(large)
      local refused = assert(connect(way[2]()):sendmail(sender, { alice, unknown, full, bob }, text))
      assert.equal(550, refused[unknown][1])
      assert.equal(552, refused[full][1])
      refused[unknown], refused[full] = nil, nil
      assert.same({}, refused)
      assert_delivered(text, id, alice)
      assert_delivered(text, id, bob)
      assert.equal(0, dovecot:count())
    end)
  end

  it("gives one reply per accepted recipient to data()", function()
    local text, id = servers.message(large)
    connect()
    assert.equal(250, (server:ehlo()))
    assert.equal(250, (server:mail(sender)))
    assert.equal(250, (server:rcpt(full)))
    assert.equal(550, (server:rcpt(unknown)))
    assert.equal(250, (server:rcpt(alice)))
    local replies = assert(server:data(text))
    assert.equal(2, #replies)
    assert.equal(552, replies[1][1])
    assert.equal(250, replies[2][1])
    assert_delivered(text, id, alice)
  end)

  it("is an error when every recipient was refused after the final dot", function()
    local result, err = connect():sendmail(sender, full, (servers.message(large)))
    assert.is_nil(result)
    assert.is_true(smtplib.is_error(err, smtplib.SMTPException))
    assert.equal("none", err.delivery)
    assert.is_false(err.temporary)
    local text, id = servers.message("Hello.\r\n")
    assert.same({}, assert(server:sendmail(sender, alice, text)))
    assert_delivered(text, id, alice)
  end)

  it("takes many messages to several recipients on one connection", function()
    local messages = {}
    for i = 1, 50 do
      messages[i] = { from = sender, to = i % 2 == 0 and { alice, unknown } or alice,
        message = ("Message-ID: <many.%d@client.example.test>\r\n\r\n%d\r\n"):format(i, i) }
    end
    local results = assert(connect():send_messages(messages))
    for i = 1, 50 do
      assert.is_nil(results[i].err, tostring(results[i].err))
      assert.equal(i % 2 == 0 and 550 or nil, (results[i].refused[unknown] or {})[1])
    end
    assert.equal(50, #dovecot:collect("<many.", 50))
  end)

  describe("delivers byte for byte", function()
    for _, body in ipairs(bodies) do
      it(body[1], function()
        local text, id = servers.message(body[2])
        assert.same({}, assert(connect():sendmail(sender, alice, text)))
        local head = text:sub(1, #text - #body[2])
        assert_delivered(text, id, alice, servers.stored(head) .. (body[3] or servers.stored(body[2])))
      end)
    end
  end)
end)
