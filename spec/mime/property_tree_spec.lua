-- Random messages: what we compose Python's email reads alike, and so do we; what
-- was read is written byte for byte. A failure names the seed: PROPERTY_SEED=N
-- begins there, PROPERTY_RUNS=N takes that many.
local corpus = require "spec.mime.corpus"
local email = require "smtplib.email"
local judge = require "spec.mime.judge"
local random = require "spec.mime.random"

local FIRST = tonumber(os.getenv "PROPERTY_SEED") or os.time() % 1000000
local RUNS = tonumber(os.getenv "PROPERTY_RUNS") or 60
local BATCH = 50

local function lf(s) return (s:gsub("\r\n", "\n")) end

local function blame(seed, what) return ("PROPERTY_SEED=%d: %s"):format(seed, what) end

local function same(seed, what, expected, found)
  if expected ~= found then
    error(blame(seed, ("%s\n  expected %q\n  found    %q"):format(what, tostring(expected), tostring(found))), 0)
  end
end

local function parts_of(m)
  local list = {}
  for part in m:walk() do list[#list + 1] = part end
  return list
end

-- A message and what it becomes on the way: bytes, for a server without 8BITMIME
-- or one with it.
local function compose(seed)
  local m, known, files = random.message(seed)
  local raw, err = m:as_bytes { eol = "\r\n", cte = seed % 3 == 0 and "8bit" or "7bit" }
  for _, path in ipairs(files) do os.remove(path) end
  if not raw then error(blame(seed, err.message), 0) end
  return { seed = seed, m = m, known = known, raw = raw }
end

local function each_batch(check)
  for first = FIRST, FIRST + RUNS - 1, BATCH do
    local batch = {}
    for seed = first, math.min(first + BATCH, FIRST + RUNS) - 1 do batch[#batch + 1] = compose(seed) end
    check(batch)
  end
end

-- A leaf against what it was made of; `payload` are its bytes without encoding.
local function check_leaf(case, part, payload, text)
  local made = case.known[part]
  if made.bytes then
    same(case.seed, "payload", made.bytes, payload)
  elseif text then
    same(case.seed, "text", made.text, lf(text))
  end
end

local function check_fields(case, part, value_of)
  for _, field in ipairs(part:items()) do
    same(case.seed, "field " .. field[1], field[2], value_of(field[1]))
  end
end

local function check_ours(case)
  local again = email.message_from_string(case.raw)
  same(case.seed, "defects", 0, #again.defects)
  local before, after = parts_of(case.m), parts_of(again)
  same(case.seed, "count of parts", #before, #after)
  for i, part in ipairs(before) do
    local found = after[i]
    same(case.seed, "type", part:get_content_type(), found:get_content_type())
    same(case.seed, "file name", part:get_filename(), found:get_filename())
    check_fields(case, part, function(name)
      -- Parameters may be cut and encoded on the way: they are compared one by one.
      if name:lower():find("^content%-[td]") then return part:get(name) end
      return found:get(name)
    end)
    for _, param in ipairs(part:get_params() or {}) do
      same(case.seed, "parameter " .. param[1], param[2], found:get_param(param[1]) or param[2] == "" and "")
    end
    if part:is_multipart() then
      same(case.seed, "preamble", part.preamble, found.preamble and lf(found.preamble))
      same(case.seed, "epilogue", part.epilogue or "", lf(found.epilogue or ""))
    else
      check_leaf(case, part, found:get_payload(nil, true), case.known[part].text and found:get_content())
    end
  end
  same(case.seed, "what is written again", case.raw, again:as_bytes { eol = "keep" })
end

local function check_python(case, seen)
  same(case.seed, "defects in Python", "", table.concat(seen.defects, " "))
  if seen.longest > 998 then error(blame(case.seed, "a line of " .. seen.longest), 0) end
  local before = parts_of(case.m)
  same(case.seed, "count of parts in Python", #before, #seen.parts)
  for i, part in ipairs(before) do
    local found = seen.parts[i]
    same(case.seed, "type in Python", part:get_content_type(), found.type)
    -- Python takes quotation marks around the decoded name away, too.
    if not (part:get_filename() or ""):find('^"') then
      same(case.seed, "file name in Python", part:get_filename(), found.filename)
    end
    for _, name in ipairs { "Subject", "X-Own" } do
      same(case.seed, name .. " in Python", part:get(name), judge.header(found, name))
    end
    if not part:is_multipart() then
      local read = parts_of(email.message_from_string(case.raw))[i]
      check_leaf(case, part, found.payload)
      same(case.seed, "payload in Python", lf(read:get_payload(nil, true)), lf(found.payload))
    end
  end
end

local function check_header_lines(case)
  local header = case.raw:match("^(.-\r\n)\r\n")
  for line in header:gmatch("(.-)\r\n") do
    if #line > 78 and (line:gsub("^[%w-]+: ", ""):find("%S%s+%S") or #line > 998) then error(blame(case.seed, "a header line of " .. #line .. ": " .. line), 0) end
  end
end

describe("random messages", function()
  it("are read by us as they were composed, and written as they were read", function()
    each_batch(function(batch)
      for _, case in ipairs(batch) do check_ours(case) end
    end)
  end)

  it("are read by Python's email as they were composed, without defects", function()
    each_batch(function(batch)
      local raw = {}
      for i, case in ipairs(batch) do raw[i] = case.raw end
      for i, seen in ipairs(judge.read(raw)) do check_python(batch[i], seen) end
    end)
  end)

  it("have no header line over 78 characters but for what cannot be cut", function()
    each_batch(function(batch)
      for _, case in ipairs(batch) do check_header_lines(case) end
    end)
  end)
end)

describe("random messages of Python's email", function()
  it("are read by us as by Python, and written byte for byte", function()
    for first = FIRST, FIRST + RUNS - 1, BATCH do
      local raws = judge.composed(first, math.min(BATCH, FIRST + RUNS - first))
      for i, seen in ipairs(judge.read(raws)) do
        local seed, m = first + i - 1, email.message_from_string(raws[i])
        same(seed, "defects", corpus.defects(seen), corpus.defects(m))
        local ours = parts_of(m)
        same(seed, "count of parts", #seen.parts, #ours)
        for k, part in ipairs(ours) do
          same(seed, "type", seen.parts[k].type, part:get_content_type())
          same(seed, "file name", seen.parts[k].filename, part:get_filename())
          for _, name in ipairs { "Subject", "From", "To", "X-Own" } do
            same(seed, name, judge.header(seen.parts[k], name), part:get(name))
          end
          if not part:is_multipart() then same(seed, "payload", seen.parts[k].payload, part:get_payload(nil, true)) end
        end
        same(seed, "what is written again", raws[i], m:as_bytes { eol = "keep" })
      end
    end
  end)
end)
