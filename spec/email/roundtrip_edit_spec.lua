-- A message that was read and changed in one place: all other bytes are as they
-- were read. Over the awkward messages of spec/messages/corpus.
local corpus = require "spec.mime.corpus"
local email = require "smtplib.email"
local Message = email.Message

local function written(m) return m:as_bytes { eol = "keep" } end

-- The length of the header: up to the first blank line, or all.
local function header_of(text)
  local first = text:match("^From [^\r\n]*\r?\n?") or ""
  local at = text:find("\r?\n\r?\n")
  return #first, at or #text
end

-- Where the only field of that name stands in the header, with its line end: the
-- bytes before it and after it. Nil when it is not plain to see.
local function around(text, name)
  local start, stop = header_of(text)
  local header, found = text:sub(start + 1, stop), nil
  local at = 1
  for line in (header .. "\n"):gmatch("([^\n]*\n)") do
    if line:lower():find("^" .. name:lower():gsub("%-", "%%-") .. ":") then
      if found then return nil end
      found = { start + at, start + at + #line - 1 }
    elseif found and not found.closed then
      if line:find("^[ \t]") then found[2] = found[2] + #line else found.closed = true end
    end
    at = at + #line
  end
  if not found or found[2] > #text or header:find("\r[^\n]") or header:find("%z") then return nil end
  return text:sub(1, found[1] - 1), text:sub(found[2] + 1), text:sub(found[1], found[2])
end

-- What has several kinds of line ends gets one kind where it is written anew.
local function has_mixed_ends(text)
  local others = text:gsub("\r\n", "")
  return others:find("\r", 1, true) or #others < #text and others:find("\n", 1, true)
end

-- Lines that are no fields are not written again once the header is changed.
local vague = {
  MissingHeaderBodySeparatorDefect = true, FirstHeaderLineIsContinuationDefect = true, InvalidHeaderDefect = true,
  MisplacedEnvelopeHeaderDefect = true,
}

-- Where the header begins or ends is not plain to see.
local function is_vague(m, text)
  for _, defect in ipairs(m.defects) do
    if vague[defect.name] then return true end
  end
  return has_mixed_ends(text) or text:find("^\r?\n") ~= nil or not text:find("\r?\n\r?\n")
end

local function without_mbox_line(text)
  return (text:gsub("^From [^\r\n]*\r?\n", ""))
end

describe("a message that was read", function()
  it("and has one field changed is the same but for that field", function()
    local tried = 0
    for _, name in ipairs(corpus.names) do
      local text = corpus.text[name]
      local before, after, line = around(text, "Subject")
      local m = email.message_from_string(text)
      if before and not is_vague(m, text) then
        m["Subject"] = "changed"
        local eol = line:match("\r?\n$")
        local spelt = line:match("^[^:]*")
        assert.equal(without_mbox_line(before) .. spelt .. ": changed" .. eol .. after, written(m), name)
        tried = tried + 1
      end
    end
    assert.is_true(tried >= 60, tried .. " messages have a plain Subject")
  end)

  it("and has one field taken away is the same without it", function()
    local tried = 0
    for _, name in ipairs(corpus.names) do
      local text = corpus.text[name]
      local before, after = around(text, "Date")
      local m = email.message_from_string(text)
      if before and not is_vague(m, text) then
        m["Date"] = nil
        assert.equal(without_mbox_line(before) .. after, written(m), name)
        tried = tried + 1
      end
    end
    assert.is_true(tried >= 40, tried .. " messages have a plain Date")
  end)

  -- The multiparts of the corpus whose structure is not in doubt.
  local function each_multipart(check)
    local tried = 0
    for _, name in ipairs(corpus.names) do
      local m = email.message_from_string(corpus.text[name])
      local doubtful = has_mixed_ends(corpus.text[name]) or not m:is_multipart() or m:get_content_maintype() ~= "multipart" or #m.defects > 0
      for part in m:walk() do doubtful = doubtful or #part.defects > 0 and part:is_multipart() end
      if not doubtful then
        check(name, m, corpus.text[name])
        tried = tried + 1
      end
    end
    return tried
  end

  -- The header of the message and its parts as they stand in it.
  local function pieces_of(m, text)
    local _, stop = header_of(text)
    local pieces = { without_mbox_line(text:sub(1, stop)) }
    for _, part in ipairs(m:get_payload()) do pieces[#pieces + 1] = written(part) end
    return pieces
  end

  local function assert_in_order(pieces, bytes, name)
    local at = 1
    for i, piece in ipairs(pieces) do
      local from, to = bytes:find(piece, at, true)
      assert.is_truthy(from, ("%s: piece %d is not there: %q"):format(name, i, piece))
      at = to + 1
    end
  end

  it("and gets one more part is the same up to the end of the parts", function()
    local tried = each_multipart(function(name, m, text)
      local pieces = pieces_of(m, text)
      local eol = text:find("\r\n", 1, true) and "\r\n" or "\n"
      local part = Message()
      part:set_content("added", { type = "text/x-added" })
      m:attach(part)
      local bytes = assert(written(m), name)
      assert_in_order(pieces, bytes, name)
      local again = email.message_from_string(bytes)
      local parts = again:get_payload()
      assert.equal(#pieces, #parts, name)
      assert.equal("added\n", (parts[#parts]:get_content():gsub("\r\n", "\n")), name)
      assert.is_truthy(bytes:find("Content-Type: text/x-added", 1, true))
      assert.is_truthy(bytes:find("text/x-added; charset=\"utf-8\"" .. eol, 1, true), name)
      assert.equal(m.epilogue, again.epilogue, name)
      assert.equal(m.preamble, again.preamble, name)
    end)
    assert.is_true(tried >= 20, tried .. " messages are plain multiparts")
  end)

  it("and has the payload of one part replaced is the same but for that", function()
    local tried = each_multipart(function(name, m, text)
      for i, part in ipairs(m:get_payload()) do
        if not part:is_multipart() then
          local changed = email.message_from_string(text)
          local pieces = pieces_of(changed, text)
          local one = changed:get_payload(i)
          one["Content-Transfer-Encoding"] = nil
          one:set_payload("replaced\n")
          table.remove(pieces, i + 1)
          local bytes = assert(written(changed), name)
          assert_in_order(pieces, bytes, name)
          local again = email.message_from_string(bytes)
          assert.equal(#m:get_payload(), #again:get_payload(), name)
          assert.equal("replaced\n", (again:get_payload(i):get_payload():gsub("\r\n", "\n")), name)
        end
      end
    end)
    assert.is_true(tried >= 20, tried .. " messages are plain multiparts")
  end)

  it("and made a part of another message is in it as it was", function()
    for _, name in ipairs(corpus.names) do
      local text = corpus.text[name]
      local inner = email.message_from_string(text)
      local before = written(inner)
      local outer = assert(Message { text = "see below", attachments = { inner } })
      local got = assert(outer:as_bytes { eol = "keep" })
      assert.is_truthy(got:find(before, 1, true), name)
      assert.equal(before, written(inner), name)
    end
  end)
end)

-- Bytes above 127 that stay on the way to a server without 8BITMIME: what is signed
-- is not touched, and in an encoding that cannot have them they are broken already.
local stays = { ["signed-smime-clear"] = true, ["base64-junk-between"] = true, ["quoted-printable-raw-8-bit"] = true }
-- Fields with addresses in UTF-8: they need SMTPUTF8, or nothing is sent.
local needs_utf8 = { ["header-raw-utf-8"] = true, ["nested-global"] = true }

describe("a message that was read and is sent", function()
  local client = require "spec.support.client"

  for _, row in ipairs {
    { "7 bits", { ["8BITMIME"] = false, SMTPUTF8 = false } }, { "8 bits", { SMTPUTF8 = false } }, { "UTF-8", {} },
  } do
    local kind, extensions = row[1], row[2]
    it(("to a server that takes %s is itself left as it was"):format(kind), function()
      local sent = 0
      for _, name in ipairs(corpus.names) do
        local text = corpus.text[name]
        local m = email.message_from_string(text)
        local before = corpus.dump(m)
        local server, peer = client.connect { extensions = extensions }
        local refused, err = server:send_message(m, "a@b.example", "c@d.example")
        assert.equal(text, corpus.written(m, text), name)
        assert.equal(before, corpus.dump(m), name)
        if not refused then
          assert.is_true(needs_utf8[name] and kind ~= "UTF-8", name)
          assert.equal("SMTPNotSupportedError", err.name)
        else
          sent = sent + 1
          local got = peer.messages[1]
          if kind == "7 bits" and not stays[name] then assert.is_nil(got.data:find("[\128-\255]"), name) end
          if kind == "8 bits" then
            assert.equal(got.data:find("[\128-\255]") ~= nil, got.from_params.BODY == "8BITMIME", name)
          end
        end
      end
      assert.is_true(sent >= #corpus.names - 2)
    end)
  end
end)
