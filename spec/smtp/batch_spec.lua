-- More recipients than fit into one transaction (API section 3.1, RFC 9422,
-- RFC 5321 section 4.5.3.1.10).
local peer = require "spec.support.peer"
local smtplib = require "smtplib"

local function recipients(n)
  local list = {}
  for i = 1, n do list[i] = "user" .. i .. "@example.org" end
  return list
end

local function send(options, n, message)
  local server_side = peer.new(options)
  local server = assert(smtplib.SMTP { host = "mx.example.org", transport = server_side })
  local refused, err = server:sendmail("a@example.org", recipients(n), message or "Subject: x\n\nhello\n")
  return refused, err, server_side.messages, server
end

local function envelopes(messages)
  local list = {}
  for i, message in ipairs(messages) do
    local addresses = {}
    for k, recipient in ipairs(message.to) do addresses[k] = recipient.addr:match("^user(%d+)@") end
    list[i] = table.concat(addresses, " ")
  end
  return list
end

describe("Many recipients", function()
  it("go in as many transactions as RCPTMAX asks for", function()
    local refused, _, messages = send({ extensions = { LIMITS = "MAILMAX=99 RCPTMAX=2" } }, 5)
    assert.same({}, refused)
    assert.same({ "1 2", "3 4", "5" }, envelopes(messages))
  end)

  it("that a server turns away as too many get a further transaction", function()
    local refused, _, messages = send({ max_recipients = 2 }, 5)
    assert.same({}, refused)
    assert.same({ "1 2", "3 4", "5" }, envelopes(messages))
    assert.equal(messages[1].data, messages[3].data)
  end)

  it("are not tried again for a full mailbox", function()
    local full = { ["RCPT user2@example.org"] = "452 4.2.2 mailbox full" }
    local refused, _, messages = send({ replies = full }, 3)
    assert.same({ ["user2@example.org"] = { 452, "mailbox full", "4.2.2" } }, refused)
    assert.same({ "1 3" }, envelopes(messages))
  end)

  it("of whom none is taken are refused, not tried for ever", function()
    local refused, err, messages = send({ replies = { RCPT = "452 4.5.3 too many" } }, 3)
    assert.is_nil(refused)
    assert.is_true(err:is(smtplib.SMTPRecipientsRefused))
    assert.is_true(err.temporary)
    assert.same({}, messages)
  end)

  it("beyond the first transaction are refused when the message cannot be read twice", function()
    local pieces = { "Subject: x\n\n", "hello\n" }
    local refused, _, messages = send({ max_recipients = 2 }, 3, function() return table.remove(pieces, 1) end)
    assert.same({ "1 2" }, envelopes(messages))
    assert.equal(452, refused["user3@example.org"][1])
  end)

  it("get one and the same message, with one Message-ID and Date", function()
    local message = smtplib.email.Message { from = "a@example.org", to = "b@example.org", text = "hello" }
    local server_side = peer.new { max_recipients = 1 }
    local server = assert(smtplib.SMTP { host = "mx.example.org", transport = server_side })
    assert.same({}, assert(server:send_message(message, nil, recipients(3))))
    assert.equal(3, #server_side.messages)
    for i = 2, 3 do assert.equal(server_side.messages[1].data, server_side.messages[i].data) end
  end)

  it("beyond the first transaction are refused when an attachment cannot be read twice", function()
    local pieces = { "one", "two" }
    local message = smtplib.email.Message { from = "a@example.org", to = "b@example.org", text = "hello",
      attachments = { { content = function() return table.remove(pieces, 1) end, filename = "a.bin" } } }
    local server_side = peer.new { max_recipients = 1 }
    local server = assert(smtplib.SMTP { host = "mx.example.org", transport = server_side })
    local refused = assert(server:send_message(message, nil, recipients(2)))
    assert.equal(1, #server_side.messages)
    assert.truthy(server_side.messages[1].data:find(smtplib.base64.encode("onetwo"), 1, true))
    assert.equal(452, refused["user2@example.org"][1])
  end)

  it("are refused where a later transaction fails, since the first has delivered", function()
    local count = 0
    local function second_fails()
      count = count + 1
      return count == 2 and "451 4.3.0 later" or nil
    end
    local refused, _, messages = send({ max_recipients = 2, replies = { MAIL = second_fails } }, 3)
    assert.same({ "1 2" }, envelopes(messages))
    assert.same({ ["user3@example.org"] = { 451, "later", "4.3.0" } }, refused)
  end)
end)
