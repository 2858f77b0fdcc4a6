-- Messages that are enqueued and sent later, outside nginx: what is in the queue,
-- and what becomes of it.
local smtplib = require "smtplib"

-- Replies one after the other, nil for the usual one, and the last one for ever.
local function in_turn(...)
  local replies, n, at = { ... }, select("#", ...), 0
  return function()
    at = math.min(at + 1, n)
    return replies[at]
  end
end

describe("Mailer:enqueue", function()
  local sink, failures

  local function start(options)
    sink = assert(smtplib.sink.start(options))
  end

  local function mailer(queue)
    queue = queue or {}
    failures = {}
    queue.on_failure = function(id, err, record) failures[#failures + 1] = { id = id, err = err, record = record } end
    return smtplib.Mailer { host = sink.host, port = sink.port, queue = queue }
  end

  local function hello(more)
    local message = { from = "a@x.example", to = "b@x.example", subject = "Hello", text = "Hi" }
    for name, value in pairs(more or {}) do message[name] = value end
    return message
  end

  after_each(function()
    if sink then sink:stop() end
    sink = nil
  end)

  it("returns the Message-ID, with which the message is sent later", function()
    start()
    local m = mailer()
    local id = assert(m:enqueue(hello()))
    assert.equal(0, #sink:messages())
    assert.equal(1, m:queued())
    assert.same({ sent = 1, deferred = 0, dead = 0 }, m:deliver())
    assert.equal(0, m:queued())
    local data = sink:wait(1, 5)[1].data
    assert.truthy(data:find("\nMessage-ID: " .. id .. "\r\n", 1, true))
  end)

  it("composes at once: later changes and spent sources do not matter", function()
    start()
    local m = mailer()
    local pieces = { "one ", "two" }
    local message = assert(smtplib.email.Message(hello()))
    message:add_attachment(function() return table.remove(pieces, 1) end, { type = "text/plain", filename = "a.txt" })
    assert(m:enqueue(message))
    assert.same({}, pieces)
    message["Subject"] = "changed"
    m:deliver()
    local sent = smtplib.email.message_from_string(sink:wait(1, 5)[1].data)
    assert.equal("Hello", sent["Subject"])
    assert.equal("one two", (sent:iter_attachments()()):get_payload(nil, true))
  end)

  it("keeps Bcc in the envelope alone", function()
    start()
    local m = mailer()
    assert(m:enqueue(hello { bcc = "secret@x.example" }))
    m:deliver()
    local got = sink:wait(1, 5)[1]
    assert.equal(2, #got.to)
    assert.equal("secret@x.example", got.to[2].addr)
    assert.falsy(got.data:find("secret", 1, true))
  end)

  it("takes an envelope of its own, with options", function()
    start()
    local m = mailer()
    assert(m:enqueue(hello(), { from = "bounces@x.example", to = { { addr = "c@x.example", NOTIFY = "NEVER" } },
      mail_options = { RET = "HDRS", ENVID = "1+2" } }))
    m:deliver()
    local got = sink:wait(1, 5)[1]
    assert.equal("bounces@x.example", got.from)
    assert.equal("c@x.example", got.to[1].addr)
    assert.equal(0, m:queued())
  end)

  for _, case in ipairs {
    { "gives raw text without one a Message-ID", "Subject: x\n\nhi\n", "^Message%-ID: (<[^>]+>)\r\nSubject: x\r\n\r\nhi\r\n$" },
    { "leaves raw text that has one as it is", "Subject: x\nMessage-Id: <1@x>\n\nhi\n", "^Subject: x\r\nMessage%-Id: (<1@x>)\r\n\r\nhi\r\n$" },
    { "puts it behind an mbox line", "From me Thu\nSubject: x\n\nhi\n", "^Message%-ID: (<[^>]+>)\r\nSubject: x\r\n\r\nhi\r\n$" },
    { "does not take one in the body for it", "Subject: x\n\nMessage-ID: <2@x>\n", "^Message%-ID: (<%d[^>]+>)\r\nSubject: x\r\n\r\nMessage%-ID: <2@x>\r\n$" },
  } do
    it(case[1], function()
      start()
      local m = mailer()
      local id = assert(m:enqueue { from = "a@x.example", to = "b@x.example", message = case[2] })
      m:deliver()
      assert.equal(id, sink:wait(1, 5)[1].data:match(case[3]))
    end)
  end

  it("refuses when the queue is full, and says so", function()
    start()
    local m = mailer { limit = 2 }
    assert(m:enqueue(hello()))
    assert(m:enqueue(hello()))
    local id, err = m:enqueue(hello())
    assert.is_nil(id)
    assert.equal("full", err.code)
    assert.is_true(err.temporary)
    assert.equal("none", err.delivery)
    assert.equal("SMTPException: the queue is full: 2 messages are in this process's memory", tostring(err))
    assert.equal(2, m.metrics.queued)
    m:deliver()
    assert(m:enqueue(hello()))
  end)

  it("refuses at once what is no message", function()
    start()
    local m = mailer()
    local id, err = m:enqueue(hello { to = "not an address" })
    assert.is_nil(id)
    assert.truthy(smtplib.is_error(err))
    assert.equal(0, m:queued())
  end)

  it("tries again what failed for a while, with the same Message-ID", function()
    start { replies = { ["."] = in_turn("451 4.3.0 later", nil) } }
    local m = mailer { backoff = 0 }
    local id = assert(m:enqueue(hello()))
    assert.same({ sent = 1, deferred = 1, dead = 0 }, m:run())
    local got = sink:wait(1, 5)
    assert.equal(1, #got)
    assert.truthy(got[1].data:find(id, 1, true))
    assert.same({}, failures)
  end)

  it("waits for as long as the back-off says", function()
    start { replies = { MAIL = "451 4.3.0 later" } }
    local asked = {}
    local m = mailer { backoff = function(n) asked[#asked + 1] = n return n == 3 and 1000 or 0 end }
    assert(m:enqueue(hello()))
    assert.same({ sent = 0, deferred = 3, dead = 0 }, m:deliver())
    assert.same({ 1, 2, 3 }, asked)
    assert.equal(1, m:queued())
  end)

  it("gives up after so many attempts", function()
    start { replies = { MAIL = "451 4.3.0 later" } }
    local m = mailer { backoff = 0, attempts = 3 }
    local id = assert(m:enqueue(hello()))
    assert.same({ sent = 0, deferred = 2, dead = 1 }, m:run())
    assert.equal(id, failures[1].id)
    assert.equal(451, failures[1].err.smtp_code)
    assert.equal(3, failures[1].err.attempts)
    assert.equal(0, m:queued())
  end)

  it("gives up what is too old", function()
    start { replies = { MAIL = "451 4.3.0 later" } }
    local m = mailer { max_age = 0 }
    assert(m:enqueue(hello()))
    assert.same({ sent = 0, deferred = 0, dead = 1 }, m:run())
    assert.equal(1, #failures)
  end)

  for _, case in ipairs {
    { "the sender", { MAIL = "550 5.7.1 no" }, "SMTPSenderRefused" },
    { "the recipient", { RCPT = "550 5.1.1 no" }, "SMTPRecipientsRefused" },
    { "the message", { ["."] = "554 5.7.1 spam" }, "SMTPDataError" },
  } do
    it("gives up at once when " .. case[1] .. " is refused for good", function()
      start { replies = case[2] }
      local m = mailer()
      local id = assert(m:enqueue(hello()))
      assert.same({ sent = 0, deferred = 0, dead = 1 }, m:deliver())
      assert.equal(1, #failures)
      assert.equal(id, failures[1].id)
      assert.equal(case[3], failures[1].err.name)
      assert.equal(id, failures[1].err.message_id)
      assert.equal("a@x.example", failures[1].record.from)
      assert.equal(1, m.metrics.dead)
    end)
  end

  it("keeps messages while the login is refused: that is not their fault", function()
    start { auth = { me = "secret" }, extensions = { STARTTLS = false } }
    local m = smtplib.Mailer { host = sink.host, port = sink.port, user = "me", password = "wrong", tls = false,
      queue = { backoff = 1000 } }
    assert(m:enqueue(hello()))
    assert.same({ sent = 0, deferred = 1, dead = 0 }, m:deliver())
    assert.equal(1, m:queued())
  end)

  it("tells apart who got it, who gets it later and who never will", function()
    start { replies = { ["RCPT never@x.example"] = "550 5.1.1 no", ["RCPT later@x.example"] = in_turn("451 4.2.0 busy", nil) } }
    local m = mailer { backoff = 0 }
    local id = assert(m:enqueue(hello { to = { "now@x.example", "never@x.example", "later@x.example" } }))
    m:run()
    local got = sink:wait(2, 5)
    assert.equal(2, #got)
    assert.equal("now@x.example", got[1].to[1].addr)
    assert.equal(1, #got[1].to)
    assert.equal("later@x.example", got[2].to[1].addr)
    assert.equal(1, #got[2].to)
    for _, one in ipairs(got) do assert.truthy(one.data:find(id, 1, true)) end
    assert.equal(1, #failures)
    assert.same({ ["never@x.example"] = { 550, "no", "5.1.1" } }, failures[1].err.recipients)
  end)

  it("sends to all or to none when asked to", function()
    start { replies = { ["RCPT never@x.example"] = "550 5.1.1 no", ["RCPT later@x.example"] = in_turn("451 4.2.0 busy", nil) } }
    local m = mailer { backoff = 0 }
    assert(m:enqueue(hello { to = { "now@x.example", "never@x.example" } }, { all_or_none = true }))
    assert(m:enqueue(hello { to = { "now@x.example", "later@x.example" } }, { all_or_none = true }))
    assert.same({ sent = 1, deferred = 1, dead = 1 }, m:run())
    local got = sink:messages()
    assert.equal(1, #got)
    assert.equal(2, #got[1].to)
    assert.equal(1, #failures)
  end)

  it("goes on when the callback raises", function()
    start { replies = { MAIL = "550 no" } }
    local m = smtplib.Mailer { host = sink.host, port = sink.port, queue = { on_failure = function() error("oh") end } }
    assert(m:enqueue(hello()))
    assert(m:enqueue(hello()))
    assert.same({ sent = 0, deferred = 0, dead = 2 }, m:deliver())
  end)

  it("says what remains when the Mailer is closed", function()
    start { replies = { MAIL = in_turn(nil, "451 4.3.0 later") } }
    local m = mailer()
    assert(m:enqueue(hello()))
    assert(m:enqueue(hello()))
    local ok, err = m:close()
    assert.is_nil(ok)
    assert.equal(1, err.remaining)
    assert.equal("SMTPException: 1 message remains in the queue", tostring(err))
    assert.equal(1, #sink:wait(1, 5))
  end)

  it("stops when it is told to", function()
    start { replies = { MAIL = "550 no" } }
    local m
    m = smtplib.Mailer { host = sink.host, port = sink.port, queue = { on_failure = function() m:stop() end } }
    for _ = 1, 3 do assert(m:enqueue(hello())) end
    assert.equal(1, m:run().dead)
    assert.equal(2, m:queued())
  end)

  it("sends at most so many", function()
    start()
    local m = mailer()
    for _ = 1, 3 do assert(m:enqueue(hello())) end
    assert.equal(2, m:deliver({ limit = 2 }).sent)
    assert.equal(1, m:queued())
  end)

  it("raises for options that it does not know", function()
    for _, case in ipairs {
      { { queue = { dicct = "x" } }, "unknown option 'queue.dicct'" },
      { { queue = { dict = "x" } }, "option 'queue.dict' works inside nginx only" },
      { { queue = { memory = true, redis = {} } }, "options 'queue.dict', 'queue.redis' and 'queue.memory' exclude one another" },
      { { queue = { limit = 0 } }, "bad argument 'queue.limit' to 'Mailer' (a number from 1 on expected, got 0)" },
    } do
      local options = { host = "localhost", queue = case[1].queue }
      local ok, why = pcall(smtplib.Mailer, options)
      assert.is_false(ok)
      assert.equal(case[2], (why:gsub("^.-:%d+: ", "")))
    end
  end)

  it("blames the caller's line for what is misuse", function()
    local m = smtplib.Mailer { host = "localhost" }
    for _, case in ipairs {
      { function() m:enqueue(7) end, "bad argument 'message' to 'enqueue' (Message or table expected, got number)" },
      { function() m:enqueue(hello(), 7) end, "bad argument 'options' to 'enqueue' (table expected, got number)" },
      { function() m:enqueue(hello(), { too = "x" }) end, "unknown option 'too'" },
      { function() m.enqueue(hello()) end, "a method was called without its object: write mailer:enqueue(), with a colon" },
      { function() m.deliver() end, "a method was called without its object: write mailer:deliver(), with a colon" },
      { function() m:run { secs = 1 } end, "unknown option 'secs'" },
      { function() m:deliver { limit = "x" } end, "bad argument 'limit' to 'deliver' (number expected, got string)" },
    } do
      local ok, why = pcall(case[1])
      assert.is_false(ok)
      assert.equal(case[2], (why:gsub("^.-:%d+: ", "")))
      assert.truthy(why:find("enqueue_spec.lua:", 1, true))
    end
  end)

  it("survives what somebody else has put into the store", function()
    local record = require "smtplib.queue.record"
    local good = record.encode { id = "<1@x>", from = "a", to = { { addr = "b" } }, message = "m", at = 1 }
    assert.same({ { addr = "b" } }, record.decode(good).to)
    for stop = 0, #good - 1 do assert.is_nil(record.decode(good:sub(1, stop))) end
    for _, bad in ipairs { good .. "x", "smtplib-queue-1\n" .. ("{"):rep(100000), "smtplib-queue-1\n{s99999999999:x}", "", "{}" } do
      assert.is_nil(record.decode(bad))
    end
    assert.is_nil(record.decode(record.encode { id = "<1@x>", from = 7, to = {}, message = "m", at = 1 }))
  end)
end)
