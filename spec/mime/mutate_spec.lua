-- The awkward messages once more, mutilated by chance: cut, spliced, bytes
-- changed, line ends and boundaries put where they do not belong. They are read
-- without complaint, written as they were read, and what is changed in them
-- changes nothing else. A failure names the seed (MUTATE_SEED=N; MUTATE_RUNS=N).
local chance = require "spec.sim.chance"
local corpus = require "spec.mime.corpus"
local email = require "smtplib.email"

local FIRST = tonumber(os.getenv "MUTATE_SEED") or os.time() % 1000000 + 1
local RUNS = tonumber(os.getenv "MUTATE_RUNS") or 500

local insertions = {
  "\r", "\n", "\r\n", "\n\n", "\r\n\r\n", "\0", "\255", ":", ";", "=", "\"", "(", "--", "\n--", " ", "\t", "\n ", "=?utf-8?q?",
  "?=", "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "Content-Transfer-Encoding: base64\n", "From x\n", "*0*=", "<", ">",
}

local function position(c, text) return c:number(#text + 1) end

local ways = {
  function(c, text) return text:sub(1, position(c, text) - 1) end,
  function(c, text) return text:sub(position(c, text)) end,
  function(c, text)
    local at = position(c, text)
    return text:sub(1, at - 1) .. string.char(c:number(256) - 1) .. text:sub(at + 1)
  end,
  function(c, text)
    local at = position(c, text)
    return text:sub(1, at - 1) .. c:pick(insertions) .. text:sub(at)
  end,
  function(c, text)
    local from, to = position(c, text), position(c, text)
    return text:sub(1, to - 1) .. text:sub(from, from + c:number(200)) .. text:sub(to)
  end,
  function(c, text)
    local from = position(c, text)
    return text:sub(1, from - 1) .. text:sub(from + c:number(50))
  end,
  function(c, text)
    local other = corpus.text[c:pick(corpus.names)]
    return text:sub(1, position(c, text) - 1) .. other:sub(position(c, other))
  end,
  function(c, text)
    return (text:gsub("\r?\n", c:pick { "\n", "\r\n", "\r" }))
  end,
}

local function mutilated(seed)
  local c = chance.new(seed)
  local text = corpus.text[c:pick(corpus.names)]
  for _ = 1, c:number(6) do text = c:pick(ways)(c, text) end
  return text, c
end

local function each(check)
  for seed = FIRST, FIRST + RUNS - 1 do
    local text, c = mutilated(seed)
    local ok, why = pcall(check, text, c)
    if not ok then
      error(("MUTATE_SEED=%d: %s"):format(seed, type(why) == "table" and tostring(why.message) or tostring(why)), 0)
    end
  end
end

-- Comparisons whose failure shows little: the texts are long.
local function must_equal(expected, found, what)
  if expected ~= found then error(("%s:\n%q\nbut\n%q"):format(what, tostring(expected), tostring(found)), 0) end
end

-- Fields, and what the parts hold, without what was wrong with them.
local function contents(m)
  local list = {}
  for part in m:walk() do
    for _, field in ipairs(part:items()) do list[#list + 1] = field[1] .. "=" .. field[2] end
    list[#list + 1] = part:get_content_type()
    if not part:is_multipart() then list[#list + 1] = part:get_payload() end
  end
  return table.concat(list, "\1")
end

describe("a mutilated message", function()
  it("is read, and every part answers what it is asked", function()
    each(function(text) assert(corpus.dump(email.message_from_string(text))) end)
  end)

  it("is written as it was read", function()
    each(function(text) must_equal(text, corpus.written(email.message_from_string(text), text), "written") end)
  end)

  it("is the same in pieces", function()
    each(function(text, c)
      local parser, at = email.Parser(), 1
      while at <= #text do
        local size = c:number(80)
        parser:feed(text:sub(at, at + size - 1))
        at = at + size
      end
      must_equal(corpus.dump(email.message_from_string(text)), corpus.dump(assert(parser:close())), "in pieces")
    end)
  end)

  it("keeps all other fields and its body when a field is added", function()
    each(function(text)
      local m = email.message_from_string(text)
      local before = contents(m)
      m["X-Added"] = "v"
      local again = email.message_from_string(assert(m:as_bytes { eol = "keep" }))
      assert(again["X-Added"] == "v", "the field is missing")
      again["X-Added"] = nil
      must_equal(before, contents(again), "contents")
    end)
  end)

  it("can be composed anew from what it gives, or says which field is bad", function()
    each(function(text)
      local m = email.message_from_string(text)
      local headers = {}
      for _, field in ipairs(m:items()) do
        if field[1] == "Subject" or field[1]:find("^X%-") then headers[#headers + 1] = { field[1], field[2] } end
      end
      local content = m:is_multipart() and "" or m:get_payload(nil, true)
      local again, err = email.Message { attachments = { { content = content, filename = "x" } } }
      assert(again, err)
      for _, field in ipairs(headers) do
        local ok, why = pcall(again.add_header, again, field[1], field[2])
        assert(ok or tostring(why):find("header '"), why)
      end
      local raw = assert(again:as_bytes { eol = "\r\n" })
      assert(email.message_from_string(raw):get_payload(1):get_payload(nil, true) == content or
        email.message_from_string(raw):get_payload(2):get_payload(nil, true) == content, "the content changed")
    end)
  end)

  it("is not touched by being sent: the caller's message stays as it was", function()
    each(function(text)
      local m = email.message_from_string(text)
      local before = corpus.dump(m)
      m:source { cte = "7bit" }
      m:as_bytes { eol = "\r\n", cte = "7bit" }
      must_equal(before, corpus.dump(m), "dump")
    end)
  end)
end)
