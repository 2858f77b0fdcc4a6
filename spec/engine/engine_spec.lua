-- The engine as its callers see it, where a transcript cannot tell it: what may
-- be called when, windows, bytes that have not left yet, TLS.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"
local ssl = require "smtplib.ssl"

local answer, settle = drive.answer, drive.settle

local function count(text, what)
  return select(2, text:gsub(what, ""))
end

describe("The engine", function()
  it("lets nothing be queued before the greeting", function()
    local e = core.engine()
    for _, op in ipairs { "command", "begin", "data", "auth_by_hand" } do
      assert.is_nil(e[op](e, "NOOP"))
    end
    assert.equal("receive", (settle(e)))
  end)

  it("gives up for good after a failure, whatever is called", function()
    local e = drive.ready()
    e:command("NOOP")
    local _, wire = settle(e)
    assert.equal("NOOP\r\n", wire)
    local rests, _, _, name = answer(e, "nonsense\r\n")
    assert.equal("failed", rests)
    assert.equal("reply_malformed", name)
    assert.is_true(e:is_closed())
    local calls = {
      function() return e:command("NOOP") end,
      function() return e:begin("FROM:<a@x>") end,
      function() return e:data() end,
      function() return e:auth { mechanism = "PLAIN", user = "u", password = "p" } end,
      function() return e:auth_by_hand("PLAIN") end,
      function() return e:raw("NOOP\r\n") end,
      function() return e:expect() end,
    }
    for i, call in ipairs(calls) do
      local ok, why = call()
      assert.is_nil(ok, "call " .. i)
      assert.equal("broken", why, "call " .. i)
    end
    local still, sent, _, same = answer(e, "250 ok\r\n")
    assert.same({ "failed", "", "reply_malformed" }, { still, sent, same })
  end)

  it("withdraws just the transaction that is abandoned, replies having come meanwhile", function()
    local e = drive.ready { "PIPELINING" }
    drive.transaction(e, "a@x", { "b@x", "c@x" })
    settle(e)
    assert(e:begin("FROM:<d@x>"))
    assert(e:recipient("TO:<e@x>"))
    answer(e, "250 ok\r\n250 ok\r\n250 ok\r\n")
    e:abandon()
    local rests = answer(e, "354 go\r\n")
    assert.equal("content", rests)
    e:content("x", true)
    local _, wire = settle(e)
    assert.equal("x\r\n.\r\n", wire)
    local _, _, events = answer(e, "250 ok\r\n")
    assert.same({ "done", "accepted", 1 }, events[2])
    drive.transaction(e, "f@x", { "g@x" })
    _, wire = settle(e)
    assert.equal("MAIL FROM:<f@x>\r\nRCPT TO:<g@x>\r\nDATA\r\n", wire)
  end)

  it("abandons a transaction by itself when part of it cannot be written", function()
    local e = drive.ready()
    assert(e:begin("FROM:<a@x>"))
    local ok, why = e:recipient("TO:<b@x>\r\nRSET")
    assert.is_nil(ok)
    assert.equal("argument", why)
    assert.equal("state", select(2, e:commit()))
    local rests, wire = settle(e)
    assert.same({ "idle", "" }, { rests, wire })
    assert.is_true(e:command("NOOP"))
  end)

  it("queues nothing else into a transaction that is being built", function()
    local e = drive.ready()
    assert(e:begin("FROM:<a@x>"))
    assert.equal("state", select(2, e:command("NOOP")))
    assert.equal("state", select(2, e:begin("FROM:<c@x>")))
    assert.equal("state", select(2, e:data()))
    assert.equal("state", select(2, e:auth_by_hand("PLAIN")))
    local rests, wire = settle(e)
    assert.same({ "idle", "" }, { rests, wire })
  end)

  describe("with a thousand recipients", function()
    local function many(n)
      local list = {}
      for i = 1, n do list[i] = ("r%d@example.org"):format(i) end
      return list
    end

    it("never awaits more replies than the window holds", function()
      local e = drive.ready { "PIPELINING" }
      drive.transaction(e, "a@x", many(1000))
      local outstanding, most, sent = 0, 0, 0
      local rests, wire = settle(e)
      local lines, flights = 0, 0
      while rests == "receive" do
        lines = lines + count(wire, "\r\n")
        sent = sent + #wire
        outstanding = outstanding + count(wire, "\r\n")
        if wire ~= "" then flights = flights + 1 end
        most = math.max(most, outstanding)
        assert.is_true(outstanding > 0, "waits for nothing")
        outstanding = outstanding - 1
        if lines == 1002 and outstanding == 0 then break end
        rests, wire = answer(e, "250 2.1.5 ok\r\n")
      end
      assert.equal(64, most)
      assert.equal(1002, lines)
      assert.is_true(flights < 40, flights .. " flights")
      assert.equal("content", (answer(e, "354 go\r\n")))
    end)

    it("tells every refusal, and which", function()
      local e = drive.ready { "PIPELINING" }
      drive.transaction(e, "a@x", many(1000))
      settle(e)
      local seen = 0
      answer(e, "250 ok\r\n")
      for i = 1, 1000 do
        local _, _, events = answer(e, i % 7 == 0 and "550 no\r\n" or "250 ok\r\n")
        assert.equal(i, events[1][6])
        assert.equal(i % 7 == 0 and 550 or 250, events[1][3])
        seen = seen + 1
      end
      assert.equal(1000, seen)
      assert.equal("content", (answer(e, "354 go\r\n")))
    end)

    it("ends a refused envelope without a round trip for each recipient", function()
      local e = drive.ready { "PIPELINING" }
      drive.transaction(e, "a@x", many(1000))
      local _, wire = settle(e)
      assert.equal(64, count(wire, "\r\n"))
      local _, rest, events = answer(e, "550 no\r\n" .. ("503 no\r\n"):rep(63))
      assert.equal("RSET\r\n", rest)
      assert.equal(64, #events)
      _, _, events = answer(e, "250 ok\r\n")
      assert.same({ "done", "sender_refused", 1 }, events[2])
    end)
  end)

  it("tells LMTP's replies apart while the next envelope is in flight", function()
    local e = drive.ready({ "PIPELINING" }, true)
    local first = drive.transaction(e, "a@x", { "b@x", "c@x", "d@x" })
    local second = drive.transaction(e, "e@x", { "f@x", "g@x" })
    settle(e)
    assert.equal("content", (answer(e, "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")))
    e:content("x", true)
    local _, wire = settle(e)
    assert.equal("x\r\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<f@x>\r\nRCPT TO:<g@x>\r\nDATA\r\n", wire)
    local rests, _, events = answer(e, "250 one\r\n452 three\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    assert.equal("content", rests)
    local shown = {}
    for i, event in ipairs(events) do
      shown[i] = event[1] == "reply" and ("%s %d #%d"):format(event[2], event[3], event[6])
        or ("%s %s %d"):format(event[1], event[2], event[3])
    end
    assert.same({ "message 250 #1", "message 452 #3", "done accepted " .. first,
      "MAIL 250 #0", "RCPT 550 #1", "RCPT 250 #2", "DATA 354 #0" }, shown)
    e:content("y", true)
    settle(e)
    _, _, events = answer(e, "250 two\r\n")
    assert.equal(2, events[1][6])
    assert.same({ "done", "accepted", second }, events[2])
  end)

  describe("while the message is still to leave", function()
    local function with_message_waiting()
      local e = drive.ready { "PIPELINING" }
      local serial = drive.transaction(e, "a@x", { "b@x" })
      settle(e)
      answer(e, "250 ok\r\n250 ok\r\n354 go\r\n")
      e:content("x", true)
      assert.equal("send", (e:next()))
      return e, serial
    end

    it("takes no acceptance for its answer", function()
      local e, serial = with_message_waiting()
      e:input("250 accepted\r\n")
      local what, name = e:next()
      assert.same({ "failed", "unsolicited" }, { what, name })
      assert.is_false(e:may_be_delivered(serial))
    end)

    it("believes a refusal, and ends", function()
      local e, serial = with_message_waiting()
      e:input("552 too much\r\n")
      assert.equal("reply", (e:next()))
      assert.same({ "done", "message_refused", serial }, { e:next() })
      assert.is_true(e:is_closed())
    end)

    it("knows that it cannot have been delivered", function()
      local e, serial = with_message_waiting()
      e:input_end()
      assert.same({ "failed", "closed" }, { (e:next()), (select(2, e:next())) })
      assert.is_false(e:may_be_delivered(serial))
    end)
  end)

  it("knows that a message may have been delivered once its dot has left", function()
    local e = drive.ready { "PIPELINING" }
    local serial = drive.transaction(e, "a@x", { "b@x" })
    settle(e)
    answer(e, "250 ok\r\n250 ok\r\n354 go\r\n")
    e:content("x", true)
    settle(e)
    assert.is_true(e:may_be_delivered(serial))
    assert.is_false(e:may_be_delivered(serial + 1))
    answer(e, "250 ok\r\n")
    assert.is_false(e:may_be_delivered(serial))
  end)

  it("takes a message of any size in flat memory", function()
    local e = drive.ready { "PIPELINING" }
    drive.transaction(e, "a@x", { "b@x" })
    settle(e)
    answer(e, "250 ok\r\n250 ok\r\n354 go\r\n")
    e:content((".\n"):rep(500000), true)
    local biggest, all = 0, 0
    while e:next() == "send" do
      local bytes = e:output()
      biggest, all = math.max(biggest, #bytes), all + #bytes
    end
    assert.equal(4 * 500000 + 3, all)
    assert.is_true(biggest <= 4 * 65536, biggest)
  end)

  describe("under TLS", function()
    local context = ssl.create_default_context()

    it("does not report a handshake that could not even begin", function()
      local e = core.engine()
      assert.is_true(e:start_tls(context, "not a host"))
      local rests, wire, events, name = settle(e)
      assert.same({ "failed", "", 0, "tls_setup" }, { rests, wire, #events, name })
    end)

    it("is started once", function()
      local e = core.engine()
      assert.is_true(e:start_tls(context, "example.org"))
      local ok, name = e:start_tls(context, "example.org")
      assert.same({ nil, "state" }, { ok, name })
      local rests, wire = settle(e)
      assert.equal("receive", rests)
      assert.equal("\22\3", wire:sub(1, 2))
    end)

    it("fails when the peer leaves during the handshake, without going in circles", function()
      local e = core.engine()
      assert.is_true(e:start_tls(context, "example.org"))
      settle(e)
      e:input_end()
      local rests, _, _, name = settle(e)
      assert.same({ "failed", "tls_handshake" }, { rests, name })
    end)
  end)
end)
