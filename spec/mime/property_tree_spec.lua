-- Random trees: what is composed is what Python reads, what our parser reads, and
-- what is written again byte for byte; and the same the other way round, of what
-- Python composes. A complaint names the seed: PROPERTY_SEED=n PROPERTY_RUNS=1 repeats it.
local email = require "smtplib.email"
local judge = require "spec.mime.judge"
local corpus = require "spec.mime.corpus"
local output = require "smtplib.email.output"
local trees = require "spec.mime.trees"

local first = tonumber(os.getenv("PROPERTY_SEED")) or os.time() % 1000000
local rounds = tonumber(os.getenv("PROPERTY_RUNS")) or 60
local BATCH = 200

local function each_batch(check)
  for from = first, first + rounds - 1, BATCH do
    check(from, math.min(from + BATCH, first + rounds) - 1)
  end
end

local function where(seed) return ("PROPERTY_SEED=%d PROPERTY_RUNS=1"):format(seed) end

-- The tree, an equal Message, and what was written of another equal one.
local function compose(seed, files)
  local node = trees.random(seed)
  local cte = trees.number(2) == 1 and "7bit" or "8bit"
  local bytes = judge.collect(assert(trees.message(node, files):source { cte = cte }))
  return node, bytes, trees.message(node, files)
end

local function each(check)
  local files = {}
  for seed = first, first + rounds - 1 do
    local node, bytes, m = compose(seed, files)
    check(where(seed), bytes, m, node)
    trees.remove(files)
  end
end

local function in_pieces(bytes)
  local parser, at = email.Parser(), 1
  while at <= #bytes do
    local size = trees.number(trees.number(1, 4000))
    assert(parser:feed(bytes:sub(at, at + size - 1)))
    at = at + size
  end
  return (assert(parser:close()))
end

local function compare_part(where_, node, got)
  assert.equal(node.type or "text/plain", got.type, where_)
  assert.equal(node.filename or "", got.filename or "", where_)
  if node.kind == "text" then
    assert.equal(trees.text(node), trees.with_lf(got.text), where_)
  elseif not node.parts then
    assert.equal(node.content or "", got.payload, where_)
  end
  for _, field in ipairs(node.fields or {}) do assert.equal(field[2], judge.header(got, field[1]), where_) end
  if node.is_message then assert.equal(node.head[3][2], judge.header(got, "Subject"), where_) end
end

local function compare(where_, node, got)
  local nodes = trees.walk(node)
  assert.equal("", table.concat(got.defects, ", "), where_)
  assert.is_true(got.longest <= 998, where_ .. ": a line of " .. got.longest)
  if not trees.has_long_line(node) then assert.is_true(got.longest <= 78, where_ .. ": a line of " .. got.longest) end
  assert.equal(#nodes, #got.parts, where_)
  for i, part in ipairs(nodes) do compare_part(("%s, part %d"):format(where_, i), part, got.parts[i]) end
end

describe("a random tree", function()
  it("is, composed and read, equal to what was composed", function()
    each(function(seed, bytes, m)
      local read = email.message_from_string(bytes)
      assert.same(trees.seen(m), trees.seen(read), seed)
      for part in read:walk() do assert.equal("", corpus.defects(part), seed) end
    end)
  end)

  it("is the same read in pieces as whole", function()
    each(function(seed, bytes)
      assert.equal(corpus.dump(email.message_from_string(bytes)), corpus.dump(in_pieces(bytes)), seed)
    end)
  end)

  it("is, read and written, what it was, byte for byte", function()
    each(function(seed, bytes)
      assert.equal(bytes, judge.collect(email.message_from_string(bytes):source()), seed)
    end)
  end)

  it("is measured to the byte, where all parts know their length", function()
    each(function(seed, bytes, m)
      local source, length = output.sending(m, { cte = "7bit" })
      local total = 0
      for chunk in source do total = total + #chunk end
      assert.is_true(length == nil or length == total, seed)
      assert.is_true(#bytes > 0, seed)
    end)
  end)

  if not judge.available then
    it("needs /usr/bin/python3 for its judge", function() pending("no /usr/bin/python3") end)
    return
  end

  it("is to Python what was composed: tree, fields, contents; without defects or long lines", function()
    each_batch(function(from, to)
      local files, nodes, composed = {}, {}, {}
      for seed = from, to do
        nodes[#nodes + 1], composed[#composed + 1] = compose(seed, files)
        trees.remove(files)
      end
      local read = judge.read(composed)
      for i, node in ipairs(nodes) do compare(where(from + i - 1), node, read[i]) end
    end)
  end)
end)

local function leaf_of(part)
  if part:is_multipart() then return "" end
  return part:get_payload(nil, true) or ""
end

local function text_of(part)
  if part:is_multipart() or part:get_content_maintype() ~= "text" then return nil end
  return trees.with_lf(part:get_content())
end

local function compare_python(where_, bytes, got)
  local m = email.message_from_string(bytes)
  local parts = {}
  for part in m:walk() do parts[#parts + 1] = part end
  assert.equal(#got.parts, #parts, where_)
  for i, part in ipairs(parts) do
    local theirs, here = got.parts[i], ("%s, part %d"):format(where_, i)
    assert.equal(theirs.type, part:get_content_type(), here)
    assert.equal(theirs.filename or "", part:get_filename() or "", here)
    assert.equal(theirs.payload or "", leaf_of(part), here)
    if theirs.text then assert.equal(trees.with_lf(theirs.text), text_of(part), here) end
    for _, name in ipairs { "Subject", "X-Note" } do
      -- Python keeps the blank of a value that begins on the second line.
      local value = judge.header(theirs, name)
      assert.equal(value and value:match("^ *(.*)"), part[name], here)
    end
    assert.equal(#theirs.headers, #part:items(), here)
    assert.equal(corpus.defects(theirs), corpus.defects(part), here)
  end
  local addresses = email.utils.getaddresses(m:get_all("To"))
  for i, address in ipairs(addresses) do
    assert.equal(got.addresses[i + 1][2], address[2], where_)
    -- Python keeps the blank between two encoded-words of a name.
    assert.equal((got.addresses[i + 1][1]:gsub(" ", "")), (address[1]:gsub(" ", "")), where_)
  end
end

describe("a random tree that Python composed", function()
  if not judge.available then return end

  it("is read as Python reads it, and written as it was, byte for byte", function()
    each_batch(function(from, to)
      local messages = judge.composed(from, to - from + 1)
      assert.equal(to - from + 1, #messages)
      local read = judge.read(messages)
      for i, bytes in ipairs(messages) do
        compare_python(where(from + i - 1), bytes, read[i])
        assert.equal(bytes, email.message_from_string(bytes):as_bytes { eol = "keep" }, where(from + i - 1))
      end
    end)
  end)
end)
