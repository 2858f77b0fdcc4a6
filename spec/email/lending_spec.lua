-- Long strings become the content of messages without being copied: they stay
-- as long as a message, a part or a source uses them, and no longer.
local email = require "smtplib.email"
local Message = email.Message

local SIZE = 1024 * 1024

local function fresh(letter) return (letter:rep(63) .. "\n"):rep(SIZE / 64) end

local function collect()
  collectgarbage()
  collectgarbage()
end

local function kibibytes()
  collect()
  return collectgarbage "count"
end

local function whole(source)
  local pieces = {}
  for piece in source do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

describe("a long string in a message", function()
  it("is there when nobody else holds it", function()
    local m = Message { text = fresh "a", attachments = { { content = fresh "b", filename = "b.bin" } } }
    collect()
    assert.is_true(m:get_payload(1):get_payload(nil, true) == fresh "a")
    assert.is_true(m:get_payload(2):get_payload(nil, true) == fresh "b")
  end)

  it("is there for a part that outlives its message", function()
    local part = Message { text = "t", attachments = { { content = fresh "b", filename = "b.bin" } } }:get_payload(2)
    collect()
    assert.is_true(part:get_payload(nil, true) == fresh "b")
  end)

  it("is there for a source that outlives its message and its content", function()
    local m = Message()
    m:set_payload(fresh "a")
    local source = m:source { eol = "\n" }
    m:set_payload "other"
    m = nil -- luacheck: ignore 311
    collect()
    assert.is_true(whole(source):sub(-SIZE) == fresh "a")
  end)

  it("is let go of with the message", function()
    local before = kibibytes()
    for i = 1, 20 do Message():set_payload(fresh(string.char(64 + i))) end
    assert.is_true(kibibytes() - before < 512)
  end)

  it("is let go of when another takes its place", function()
    local m = Message()
    local before = kibibytes()
    for i = 1, 20 do m:set_payload(fresh(string.char(64 + i))) end
    m:set_payload "x"
    assert.is_true(kibibytes() - before < 512)
    m:set_payload(fresh "a")
    m:clear()
    assert.is_true(kibibytes() - before < 512)
  end)

  it("is not copied", function()
    local text = fresh "a"
    local before = kibibytes()
    local m = Message()
    m:set_payload(text)
    assert.is_true(kibibytes() - before < 64)
    assert.is_true(m:get_payload() == text)
  end)
end)

describe("a long string that is read", function()
  local raw = "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" .. fresh "a" .. "\n--b--\n"

  it("is there for a part alone", function()
    local part = email.message_from_string(raw .. "epilogue\n"):get_payload(1)
    collect()
    assert.is_true(part:get_payload() == fresh "a")
  end)

  it("is let go of", function()
    local before = kibibytes()
    for i = 1, 20 do email.message_from_string(raw .. i) end
    assert.is_true(kibibytes() - before < 512)
  end)
end)
