-- Composed messages as Python's email package reads them: headers, tree and
-- payloads equal, no defects, no line over the limit. Random, from a seed that is
-- in every complaint (SEED=n repeats a run).
local judge = require "spec.mime.judge"
local Message = require("smtplib.email").Message

local seed = tonumber(os.getenv("SEED")) or os.time() % 1000000
local MESSAGES = 60

local alphabet = {
  "a", "Z", "0", " ", " ", "  ", "\195\188", "\195\169", "\230\151\165", "\240\159\152\128", "=?", "?=", "=", "_", '"', "\\",
  "(", ")", "<", ">", ",", ";", ":", "@", ".", "'", "%", "word", "longerword", "-", "/", "+", "*", "\t", ("x"):rep(60),
}

local function random_text(most)
  local pieces = {}
  for i = 1, math.random(0, most) do pieces[i] = alphabet[math.random(#alphabet)] end
  return table.concat(pieces)
end

local function random_word()
  local pieces = {}
  for i = 1, math.random(1, 12) do pieces[i] = alphabet[math.random(3)] end
  return table.concat(pieces)
end

local function random_bytes(most)
  local bytes = {}
  for i = 1, math.random(0, most) do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

local function random_lines(most)
  return (random_text(most):gsub("=%?", "\n"):gsub("%?=", "\r\n"))
end

-- What Python does to names on its own: it strips white space and one pair of
-- angle brackets from file names, and squeezes blanks in display names.
local function file_name(name)
  name = (name or ""):match("^%s*(.-)%s*$")
  return name:match("^<(.*)>$") or name
end

local function squeezed(name) return (name:gsub("[ \t]", "")) end
local function trimmed(text) return text:match("^[ \t]*(.-)[ \t]*$") end

local function with_lf(text) return (text:gsub("\r\n", "\n"):gsub("\r", "\n")) end
local function ended(text) return text:match("\n$") and text or text .. "\n" end

local function random_options()
  local to = {}
  for i = 1, math.random(1, 5) do
    to[i] = { name = squeezed(random_text(10)) .. random_word(), addr = random_word() .. "@" .. random_word() .. ".example" }
  end
  local name = random_text(25):gsub('[\t<>"]', "")
  return {
    from = "a@b.example", to = to, subject = random_text(50), text = random_lines(200),
    html = math.random() < 0.5 and random_lines(100) or nil,
    attachments = { { content = random_bytes(300), filename = name ~= "" and name or nil, type = "application/x-test" } },
  }
end

local function context(i)
  return ("SEED=%d, message %d"):format(seed, i)
end

describe("messages that Python reads", function()
  if not judge.available then
    it("need /usr/bin/python3", function() pending("no /usr/bin/python3") end)
    return
  end

  local options, read, composed = {}, nil, {}
  setup(function()
    math.randomseed(seed)
    for i = 1, MESSAGES do
      options[i] = random_options()
      composed[i] = assert(Message(options[i]))
    end
    read = judge.read(composed)
  end)

  local function each(check)
    assert.equal(MESSAGES, #read)
    for i = 1, MESSAGES do check(read[i], options[i], context(i)) end
  end

  it("have no defects", function()
    each(function(got, _, where) assert.equal("", table.concat(got.defects, ", "), where) end)
  end)

  it("have no line over 78 columns", function()
    each(function(got, opts, where)
      if not (opts.subject .. opts.text .. (opts.html or "")):match("%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S%S") then
        assert.is_true(got.longest <= 78, where .. ": " .. got.longest)
      end
      assert.is_true(got.longest <= 998, where)
    end)
  end)

  it("have the subject that was given", function()
    each(function(got, opts, where)
      assert.equal(trimmed(opts.subject), judge.header(got.parts[1], "Subject"), where)
    end)
  end)

  it("have the addresses that were given", function()
    each(function(got, opts, where)
      assert.equal(#opts.to + 1, #got.addresses, where)
      for i, mailbox in ipairs(opts.to) do
        assert.equal(squeezed(mailbox.name), squeezed(got.addresses[i + 1][1]), where)
        assert.equal(mailbox.addr, got.addresses[i + 1][2], where)
      end
    end)
  end)

  it("have the tree that was given", function()
    each(function(got, opts, where)
      local types = {}
      for i, part in ipairs(got.parts) do types[i] = part.type end
      assert.equal(opts.html
        and "multipart/mixed multipart/alternative text/plain text/html application/x-test"
        or "multipart/mixed text/plain application/x-test", table.concat(types, " "), where)
    end)
  end)

  it("have the text that was given, but for line ends", function()
    each(function(got, opts, where)
      local at = opts.html and 3 or 2
      assert.equal(with_lf(ended(opts.text)), with_lf(got.parts[at].payload), where)
      if opts.html then assert.equal(with_lf(ended(opts.html)), with_lf(got.parts[4].payload), where) end
    end)
  end)

  it("have the bytes of attachments, exactly, and their names", function()
    each(function(got, opts, where)
      local part = got.parts[#got.parts]
      assert.equal(opts.attachments[1].content, part.payload, where)
      assert.equal(file_name(opts.attachments[1].filename), file_name(part.filename), where)
    end)
  end)
end)

describe("what Python reads of classic messages", function()
  if not judge.available then return end

  it("is what was set, in 7 bits and in 8", function()
    local m = Message()
    m["Subject"] = "\195\169t\195\169"
    m:set_payload("Gr\195\188\195\159e\n")
    for _, cte in ipairs { "7bit", "8bit" } do
      local got = judge.read { judge.collect(m:source { cte = cte }) }[1]
      assert.same({}, got.defects)
      assert.equal("\195\169t\195\169", judge.header(got.parts[1], "Subject"))
      assert.equal("Gr\195\188\195\159e\n", with_lf(got.parts[1].payload))
    end
  end)

  it("is a tree of nested messages, reports and empty multiparts", function()
    local inner = assert(Message { subject = "inner", text = "x", html = "\195\169" })
    local m = Message()
    m["Content-Type"] = "multipart/report; report-type=delivery-status"
    m:attach(assert(Message { text = "failed" }))
    m:attach((assert(Message { attachments = { inner } })))
    m:attach(Message())
    local empty = Message()
    empty["Content-Type"] = "multipart/mixed"
    empty:set_payload {}
    m:attach(empty)
    local got = judge.read { m }[1]
    assert.same({}, got.defects)
    local types = {}
    for i, part in ipairs(got.parts) do types[i] = part.type end
    assert.same({ "multipart/report", "text/plain", "multipart/mixed", "text/plain", "message/rfc822",
      "multipart/alternative", "text/plain", "text/html", "text/plain", "multipart/mixed", "text/plain" }, types)
  end)
end)
