-- Replies: what is one, what is none, and what is shown of it; whole and byte
-- by byte.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"

-- The answer to a NOOP with these bytes: code, text, enhanced code; or nil and
-- the failure's name and sentence. "waiting" when it is not whole.
local function reply_to_noop(bytes, bytewise, limits)
  limits = limits or {}
  local e = core.engine(false, limits.line, limits.lines)
  drive.answer(e, "220 hi\r\n")
  assert(e:command("NOOP"))
  drive.settle(e)
  local rests, events, name, sentence, _ = nil, {}, nil, nil, nil
  for i = 1, bytewise and #bytes or 1 do
    local more
    rests, _, more, name, sentence = drive.answer(e, bytewise and bytes:sub(i, i) or bytes)
    if more[1] then events = more end
    if rests == "failed" then break end
  end
  if rests == "failed" then return nil, name, sentence end
  if not events[1] then return "waiting" end
  return events[1][3], events[1][4], events[1][5]
end

local function both(bytes, limits)
  local whole = { reply_to_noop(bytes, false, limits) }
  local bytewise = { reply_to_noop(bytes, true, limits) }
  assert.same({ whole[1], whole[2] }, { bytewise[1], bytewise[2] })
  return whole[1], whole[2], whole[3]
end

local function assert_too_long(bytes, limits)
  local code, name = both(bytes, limits)
  assert.same({ nil, "reply_too_long" }, { code, name })
end

describe("A reply", function()
  local good = {
    -- bytes                                     code  text                    enhanced
    { "250 ok\r\n", 250, "ok" },
    { "250 ok\n", 250, "ok" },
    { "250\r\n", 250, "" },
    { "250 \r\n", 250, "" },
    { "250-\r\n250\r\n", 250, "\n" },
    { "250-one\r\n250-two\r\n250 three\r\n", 250, "one\ntwo\nthree" },
    { "250   both ends   \r\n", 250, "both ends" },
    { "250\tok\r\n", 250, "ok" },
    { "599 the last\r\n", 599, "the last" },
    { "200 the first\r\n", 200, "the first" },
    { "250 with - hyphens - within\r\n", 250, "with - hyphens - within" },
    { "250 nul \0 within\r\n", 250, "nul \0 within" },
    { "250 caf\195\169 \255\r\n", 250, "caf\195\169 \255" },
    { "250 2.1.5 ok\r\n", 250, "ok", "2.1.5" },
    { "250 2.1.5\r\n", 250, "", "2.1.5" },
    { "250-2.1.5 one\r\n250 2.1.5 two\r\n", 250, "one\ntwo", "2.1.5" },
    { "250-2.1.5 one\r\n250 two\r\n", 250, "one\ntwo", "2.1.5" },
    { "250-one\r\n250 2.1.5 two\r\n", 250, "one\n2.1.5 two" },
    { "550-5.1.1 one\r\n550 5.2.2 two\r\n", 550, "one\n5.2.2 two", "5.1.1" },
    { "550 5.123.456 x\r\n", 550, "x", "5.123.456" },
    { "550 5.1234.1 x\r\n", 550, "5.1234.1 x" },
    { "550 5.1.1x\r\n", 550, "5.1.1x" },
    { "550 5..1 x\r\n", 550, "5..1 x" },
    { "550 5.1. x\r\n", 550, "5.1. x" },
    { "550 5.1 x\r\n", 550, "5.1 x" },
    { "550 4.1.1 another class\r\n", 550, "4.1.1 another class" },
    { "250 5.1.1 another class\r\n", 250, "5.1.1 another class" },
    { "354 3.0.0 no such class\r\n", 354, "3.0.0 no such class" },
  }

  for _, case in ipairs(good) do
    it(("%q is %d %q"):format(case[1], case[2], case[3]), function()
      local code, text, enhanced = both(case[1])
      assert.same({ case[2], case[3], case[4] }, { code, text, enhanced })
    end)
  end

  local malformed = {
    "\r\n", "\n", " \r\n", "ok\r\n", "25\r\n", "2\r\n", "25x ok\r\n", "2x0 ok\r\n", "x50 ok\r\n", "250x\r\n", "250=ok\r\n",
    "2500 ok\r\n", "250_ok\r\n", "199 ok\r\n", "100 ok\r\n", "600 no\r\n", "999 no\r\n", "000 no\r\n", " 250 ok\r\n",
    "-250 ok\r\n", "+250 ok\r\n", "\0250 ok\r\n", "250\0 ok\r\n", "\239\187\191250 ok\r\n", "250-one\r\n251 two\r\n",
    "250-a\r\n550 b\r\n", "550-a\r\n250 b\r\n", "250-one\r\ntwo\r\n", "250-one\r\n\r\n", "250-one\r\n 250 two\r\n",
    "HTTP/1.1 400 Bad Request\r\n", "\22\3\1\2\0\1\0\n",
  }

  for _, bytes in ipairs(malformed) do
    it(("%q is none"):format(bytes), function()
      local code, name = both(bytes)
      assert.same({ nil, "reply_malformed" }, { code, name })
    end)
  end

  local unfinished = { "", "2", "250", "250 ok", "250 ok\r", "250-ok\r\n", "250-ok\r\n250", "250-ok\r\n250 ok" }

  for _, bytes in ipairs(unfinished) do
    it(("%q is not whole, and its end before the rest is a lost connection"):format(bytes), function()
      assert.equal("waiting", (both(bytes)))
      local e = drive.ready()
      e:command("NOOP")
      drive.settle(e)
      drive.answer(e, bytes)
      e:input_end()
      local rests, _, events, name = drive.settle(e)
      assert.same({ "failed", 0, "closed" }, { rests, #events, name })
    end)
  end

  it("tells what the server said instead, cut short", function()
    local _, _, sentence = reply_to_noop("nonsense " .. ("x"):rep(1000) .. "\r\n")
    assert.equal("nonsense " .. ("x"):rep(191), sentence)
  end)

  describe("has limits", function()
    local function line(n) return "250 " .. ("x"):rep(n - 6) .. "\r\n" end

    it("of 4096 bytes in a line", function()
      assert.equal(250, (both(line(4096))))
      assert_too_long(line(4097))
    end)

    it("also for a line that never ends", function()
      assert_too_long(("x"):rep(4097))
      assert.equal("waiting", (both(("x"):rep(4096))))
    end)

    it("of 1000 lines", function()
      assert.equal(250, (both(("250-x\r\n"):rep(999) .. "250 x\r\n")))
      assert_too_long(("250-x\r\n"):rep(1000) .. "250 x\r\n")
    end)

    it("that a caller may set", function()
      assert.equal(250, (both("250-x\r\n250 y\r\n", { line = 20, lines = 2 })))
      assert_too_long("250-x\r\n250-x\r\n250 y\r\n", { line = 20, lines = 2 })
      assert_too_long(line(21), { line = 20, lines = 2 })
    end)
  end)

  it("of an endless server is refused in time that grows with its length alone", function()
    local function seconds(n)
      local e = drive.ready()
      e:command("NOOP")
      drive.settle(e)
      local began = os.clock()
      for _ = 1, n do e:input("x") end
      drive.settle(e)
      return os.clock() - began
    end
    seconds(1000)
    assert.is_true(seconds(4000) < 1)
  end)

  it("that nobody asked for fails the next command, and is not its answer", function()
    local e = drive.ready()
    drive.answer(e, "250 ok\r\n")
    assert(e:command("NOOP"))
    local rests, wire, events, name, sentence = drive.settle(e)
    assert.same({ "failed", "", 0, "unsolicited", "250 ok" }, { rests, wire, #events, name, sentence })
  end)

  it("that is not even whole does so too", function()
    local e = drive.ready()
    drive.answer(e, "2")
    assert(e:command("NOOP"))
    local rests, wire, _, name = drive.settle(e)
    assert.same({ "failed", "", "unsolicited" }, { rests, wire, name })
  end)

  it("keeps its text apart from the next one's", function()
    local e = drive.ready { "PIPELINING" }
    drive.transaction(e, "a@x", { "b@x" })
    drive.settle(e)
    local _, _, events = drive.answer(e, "250-2.1.0 one\r\n250 two\r\n250\r\n354 go\r\n")
    assert.same({ "one\ntwo", "2.1.0" }, { events[1][4], events[1][5] })
    assert.same({ "" }, { events[2][4], events[2][5] })
    assert.same({ "go" }, { events[3][4], events[3][5] })
  end)

  it("to EHLO keeps what looks like an enhanced status code, since it has none", function()
    local e = drive.ready()
    e:command("EHLO", "me")
    drive.settle(e)
    local _, _, events = drive.answer(e, "250 2.0.0 hi\r\n")
    assert.same({ "2.0.0 hi" }, { events[1][4], events[1][5] })
  end)
end)
