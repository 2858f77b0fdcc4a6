-- Resource exhaustion: twice the input costs about twice the time, never four
-- times. Each measure is the best of several, with room for a busy machine.
local core = require "smtplib.core"
local drive = require "spec.engine.drive"

local function best_of(n, work, size)
  local best = math.huge
  for _ = 1, n do
    collectgarbage()
    local began = os.clock()
    work(size)
    best = math.min(best, os.clock() - began)
  end
  return best
end

local function assert_linear(work, size)
  for _ = 1, 3 do
    local once, four_times = best_of(3, work, size), best_of(3, work, 4 * size)
    if four_times < 9 * once + 0.002 then return end
  end
  error("four times the input costs far more than four times the time")
end

describe("Time grows with the input alone:", function()
  it("replies of many lines, byte by byte", function()
    assert_linear(function(lines)
      local e = drive.ready()
      e:command("HELP")
      drive.settle(e)
      for _ = 1, lines do
        e:input("214-some text of a line")
        e:next()
        e:input("\r\n")
        e:next()
      end
    end, 240)
  end)

  it("replies that come in one piece", function()
    assert_linear(function(count)
      local e = drive.ready { "PIPELINING" }
      for _ = 1, count do assert(e:command("RSET")) end
      drive.settle(e)
      for _ = 1, count / 50 do drive.answer(e, ("250 ok\r\n"):rep(50)) end
    end, 2000)
  end)

  it("keywords of EHLO", function()
    assert_linear(function(lines)
      local e = drive.ready()
      e:command("EHLO", "me")
      drive.settle(e)
      drive.answer(e, "250-mx\r\n" .. ("250-X-SOMETHING and more\r\n"):rep(lines) .. "250 HELP\r\n")
      e:features()
    end, 240)
  end)

  it("recipients of a transaction, accepted and refused", function()
    assert_linear(function(count)
      local e = drive.ready({ "PIPELINING" }, true)
      local to = {}
      for i = 1, count do to[i] = "r@example.org" end
      drive.transaction(e, "a@x", to)
      drive.settle(e)
      drive.answer(e, "250 ok\r\n")
      for i = 1, count / 20 do drive.answer(e, (i % 2 == 0 and "250 ok\r\n" or "550 no\r\n"):rep(20)) end
      assert.equal("content", (drive.answer(e, "354 go\r\n")))
    end, 2000)
  end)

  it("transactions that wait in the queue", function()
    assert_linear(function(count)
      local e = drive.ready { "PIPELINING" }
      for _ = 1, count do drive.transaction(e, "a@x", { "b@x" }) end
      for _ = 1, count do
        drive.settle(e)
        drive.answer(e, "550 no\r\n503 no\r\n503 no\r\n")
        drive.answer(e, "250 ok\r\n")
      end
    end, 200)
  end)

  for name, unit in pairs {
    dots = ".\n", ["bare CRs"] = "\r", ["bare LFs"] = "\n", ["lines of text"] = "some text of a line\r\n", bytes = "x",
    ["mbox lines"] = "From x\n",
  } do
    it("a message of " .. name, function()
      assert_linear(function(count) core.measure(unit:rep(count)) end, 20000)
      assert_linear(function(count) core.quotedata(unit:rep(count)) end, 20000)
    end)
  end

  it("a message that looks like an mbox line, in single bytes", function()
    assert_linear(function(count)
      local e = drive.ready { "PIPELINING" }
      drive.transaction(e, "a@x", { "b@x" })
      drive.settle(e)
      drive.answer(e, "250 ok\r\n250 ok\r\n354 go\r\n")
      for byte in ("From " .. ("x"):rep(count)):gmatch(".") do
        e:content(byte, false)
        e:next()
      end
    end, 4000)
  end)

  it("addresses and parameters", function()
    assert_linear(function(count) core.parse_path(("a."):rep(count) .. "@example.org") end, 20000)
    assert_linear(function(count) core.parse_path('"' .. ("\\\""):rep(count) .. '"@example.org') end, 20000)
    assert_linear(function(count) core.parse_path(("("):rep(count) .. "a@example.org") end, 20000)
    assert_linear(function(count) core.parameter("NOTIFY", ("DELAY,"):rep(count) .. "DELAY") end, 20000)
    assert_linear(function(count) core.parameter("ENVID", ("+"):rep(count)) end, 20000)
  end)
end)
