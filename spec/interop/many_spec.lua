-- send_messages against real servers: overlapped where the server can take it,
-- one after another where it is known to break (Dovecot's submission service
-- aborts when an envelope follows the final dot).
local smtplib = require "smtplib"
local servers = require "spec.support.servers"

describe("send_messages", function()
  local missing = servers.missing()
  if missing then return pending(missing) end

  local exim, postfix, dovecot, server
  local sender, alice, nobody = "alice@example.test", "alice@example.test", "unknown@example.test"

  setup(function()
    exim, postfix = servers.exim(), servers.postfix()
    dovecot = servers.dovecot(postfix.port)
  end)
  teardown(function()
    for _, one in ipairs { dovecot, postfix, exim } do one:stop() end
  end)
  after_each(function()
    if server then server:close() end
    server = nil
  end)

  -- Every third message goes to nobody.
  local function mails(word, n)
    local list = {}
    for i = 1, n do
      list[i] = {
        from = sender, to = i % 3 == 0 and nobody or alice,
        message = ("From: %s\r\nSubject: %d\r\nMessage-ID: <%s.%d@client.example.test>\r\n\r\n.\r\n.%d\r\n")
          :format(sender, i, word, i, i),
      }
    end
    return list
  end

  local function assert_results(results, list)
    assert.equal(#list, #results)
    for i, result in ipairs(results) do
      if list[i].to == nobody then
        assert.is_true(result.err:is(smtplib.SMTPRecipientsRefused), tostring(result.err))
        assert.equal(550, result.err.recipients[nobody][1])
      else
        assert.is_nil(result.err, tostring(result.err))
        assert.same({}, result.refused)
        assert.equal(250, result.reply[1])
      end
    end
  end

  local function assert_arrived(where, word, list, folder)
    local expected, got = {}, {}
    for _, mail in ipairs(list) do
      if mail.to == alice then expected[#expected + 1] = servers.stored(mail.message) end
    end
    for i, mail in ipairs(where:collect("<" .. word .. ".", #expected, folder)) do got[i] = mail.bytes end
    table.sort(expected)
    table.sort(got)
    assert.is_nil(servers.difference(table.concat(expected), table.concat(got)))
  end

  -- How often the next envelope was written before the message was answered.
  local function overlaps(trace)
    local count, waiting = 0, false
    for _, entry in ipairs(trace) do
      if entry[1] == "send" and entry[2] == ".\r\n" then waiting = true end
      if entry[1] == "send" and waiting and entry[2]:find("^MAIL") then count = count + 1 end
      if entry[1] == "receive" then waiting = false end
    end
    return count
  end

  local function tracer()
    local trace = {}
    return trace, function(direction, bytes) trace[#trace + 1] = { direction, bytes } end
  end

  it("overlaps them at Exim, refused ones among them", function()
    local trace, note = tracer()
    local list = mails("exim", 60)
    server = assert(smtplib.SMTP(exim:options { trace = note }))
    assert_results(assert(server:send_messages(list)), list)
    assert.equal(221, (server:quit()))
    assert.is_true(overlaps(trace) >= 20)
    assert_arrived(exim, "exim", list)
  end)

  it("overlaps them at Postfix over TLS, refused ones among them", function()
    local trace, note = tracer()
    local list = mails("postfix", 60)
    server = assert(smtplib.SMTP(postfix:options { tls = "starttls", trace = note }))
    assert_results(assert(server:send_messages(list)), list)
    assert.equal(221, (server:quit()))
    assert.is_true(overlaps(trace) >= 20)
    assert_arrived(postfix, "postfix", list)
  end)

  it("overlaps them over LMTP", function()
    local trace, note = tracer()
    local list = mails("lmtp", 30)
    server = assert(smtplib.LMTP { host = dovecot.lmtp_socket, trace = note })
    assert_results(assert(server:send_messages(list)), list)
    assert.equal(221, (server:quit()))
    assert.is_true(overlaps(trace) >= 10)
    assert_arrived(dovecot, "lmtp", list, dovecot.mail .. "/alice@example.test/Maildir/new")
  end)

  it("does not overlap them at Dovecot's submission service", function()
    local trace, note = tracer()
    local list = mails("submission", 12)
    server = assert(smtplib.SMTP(dovecot:options {
      tls = "starttls", user = "alice@example.test", password = "secret", trace = note,
    }))
    assert_results(assert(server:send_messages(list)), list)
    assert.equal(221, (server:quit()))
    assert.equal(0, overlaps(trace))
    assert_arrived(postfix, "submission", list)
  end)
end)
