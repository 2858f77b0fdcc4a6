-- Twice the input is at most twice the work, whatever the input: no message can
-- keep a reader busy for longer than its size warrants.
local smtplib = require "smtplib"
local instructions = require "spec.support.instructions"

local email = smtplib.email

describe("the work of the core for hostile", function()
  local SIZE = 8192 -- as in linear.c
  local counts = instructions.of_program(
    "spec/mime/linear.c csrc/base/*.c csrc/mime/*.c csrc/intl/*.c -lidn2")
  local names = {}
  for label in pairs(counts) do
    local name = label:match("^(.*) " .. SIZE .. "$")
    if name then names[#names + 1] = name end
  end
  table.sort(names)

  it("input of every shape is counted", function() assert.is_true(#names > 90, #names) end)

  for _, name in ipairs(names) do
    it(name .. " grows as the input does", function()
      local once, twice = counts[name .. " " .. SIZE], counts[name .. " " .. 2 * SIZE]
      -- What a few instructions for each byte more cannot explain is not linear.
      assert.is_true(twice <= 2.1 * once + 4 * SIZE, ("%d instructions, then %d"):format(once, twice))
    end)
  end
end)

describe("the work in Lua for", function()
  local function flowed(text)
    local m = email.message_from_string("Content-Type: text/plain; format=flowed; delsp=yes\n\n" .. text)
    return m:get_content()
  end

  local function compose(text)
    return email.Message { text = text, flowed = true }
  end

  local function multipart(body)
    return email.message_from_string("Content-Type: multipart/mixed; boundary=b\n\n" .. body)
  end

  local function signed(body)
    return smtplib.email.smime.verify("Content-Type: multipart/signed; boundary=b\n\n" .. body)
  end

  local function dkim(header)
    return email.dkim.verify(header .. "From: a@example.org\n\n", { key = function() return nil end })
  end

  local cases = {
    { "flowed text", flowed, "> a \n" },
    { "deeper and deeper quotes", flowed, ">" },
    { "a paragraph of many lines", flowed, "a \n" },
    { "signatures in flowed text", flowed, "-- \n" },
    { "words to flow", compose, "word " },
    { "lines to flow", compose, "> word\n" },
    { "a line to flow", compose, "x" },
    { "the parts of a multipart", function(s)
      local m = multipart(s)
      for part in m:walk() do part:get_content_type() end
      for part in m:iter_attachments() do part:get_filename() end
      m:get_body()
    end, "--b\n\nx\n" },
    { "nested messages", function(s)
      for part in email.message_from_string(s):walk() do part:get_content_type() end
    end, "Content-Type: message/rfc822\n\n" },
    { "header fields", function(s)
      local m = email.message_from_string(s)
      m:items()
      m:get_all("x")
      m["y"] = "z"
      m:as_string()
    end, "X: y\n" },
    { "encoded-words", email.header.decode_header, "=?utf-8?q?a?= b " },
    { "addresses", function(s) return email.utils.getaddresses { s .. "a@b" } end, "a <a@b>, " },
    { "recipients", function(s)
      local list = {}
      for address in s:gmatch("%S+") do list[#list + 1] = address end
      return email.Message { to = list }:as_string()
    end, "a@example.org " },
    { "attachments", function(s)
      local list = {}
      for i = 1, #s do list[i] = { content = "x", filename = "a" .. i } end
      return email.Message { attachments = list }:as_string()
    end, "a", 256 },
    { "parts of what is signed", signed, "--b\n\nx\n" },
    { "delimiters of what is signed", signed, "--b" },
    { "fields of what is signed", function(s) return smtplib.email.smime.verify(s) end, "X: y\n" },
    { "DKIM signatures", dkim, "DKIM-Signature: v=1; a=rsa-sha256; d=a; s=b; h=from; bh=YQ==; b=YQ==\n" },
    { "tags of a DKIM signature", function(s) return dkim("DKIM-Signature: " .. s .. "\n") end, "a=b; " },
    { "names in a DKIM signature", function(s) return dkim("DKIM-Signature: h=" .. s .. "\n") end, "a:" },
    { "dates", email.utils.parsedate, "Mon, " },
    { "Message-IDs", function(s) return email.Message { references = s }:as_string() end, "<a@b> " },
  }

  it("a function is counted", function()
    local once = instructions.of_call(compose, ("word "):rep(1000))
    assert.is_true(once > 1000, once)
  end)

  for _, case in ipairs(cases) do
    it(case[1] .. " grows as the input does", function()
      local name, work, unit, size = case[1], case[2], case[3], case[4] or 16384
      work(unit)
      local once = instructions.of_call(work, (unit:rep(math.ceil(size / #unit))))
      local twice = instructions.of_call(work, (unit:rep(2 * math.ceil(size / #unit))))
      assert.is_true(twice <= 2.2 * once + 2000, ("%s: %d instructions, then %d"):format(name, once, twice))
    end)
  end
end)
