-- The tree of a message: parts made of content, containers made of parts.
-- Functions here return true, or nil, an error's name and a sentence.

local core = require "smtplib.core"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local types = require "smtplib.email.types"

local message = core.message

local M = {}

--- Add a part to what has parts already.
function M.attach(m, part)
  local ok, why, sentence = message.attach(m, part)
  if ok == false then
    return nil, "misuse", "a message cannot be a part of itself, nor deeper than 100 levels"
  end
  return ok, why, sentence
end

--- Make a list of messages the body.
function M.set(m, list)
  local data = message.data(m)
  local ok, why, sentence = message.set_parts(m)
  if not ok then return nil, why, sentence end
  for i = #data, 1, -1 do data[i] = nil end
  data.source = nil
  for _, part in ipairs(list) do
    ok, why, sentence = M.attach(m, part)
    if not ok then return nil, why, sentence end
  end
  return true
end

-- Append fields, given as {name, value} in turn, until one is refused.
local function add_fields(m, list)
  for _, field in ipairs(list) do
    local ok, why, sentence = fields.put(message.add, m, field[1], field[2])
    if not ok then return nil, why, sentence end
  end
  return true
end

--- Fields of a table of names and values, in an order that stays the same.
function M.sorted(headers)
  local names, list = {}, {}
  for name in pairs(headers or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = { name, headers[name] } end
  return list
end

local function description(opts)
  local list = {}
  local disposition = opts.disposition or opts.filename and "attachment"
  if disposition then
    if opts.filename then disposition = message.set_param(disposition, "filename", opts.filename) end
    list[#list + 1] = { "Content-Disposition", disposition }
  end
  if opts.cid then
    list[#list + 1] = { "Content-ID", opts.cid:match("^<.*>$") and opts.cid or "<" .. opts.cid .. ">" }
  end
  for _, field in ipairs(M.sorted(opts.headers)) do list[#list + 1] = field end
  return list
end

-- The value of Content-Type, and whether the content is text.
local function typed(value, opts)
  local kind = opts.type or opts.subtype and "text/" .. opts.subtype or
    select(2, content.describe(value)) or "text/plain"
  if not message.is_type((message.params(kind))) then
    return nil, "header", ("header 'Content-Type': bad content type '%s'"):format(kind)
  end
  local text = kind:lower():match("^text/") and type(value) == "string"
  local known = text and (not opts.exact or opts.charset or message.is_utf8(value))
  if known and not message.param(kind, "charset") then
    kind = message.set_param(kind, "charset", opts.charset or "utf-8")
  end
  for _, param in ipairs(M.sorted(opts.params)) do
    local changed, why, sentence = message.set_param(kind, param[1], param[2])
    if not changed then return nil, why, "header 'Content-Type': " .. sentence end
    kind = changed
  end
  return kind, text and not opts.exact
end

--- Make content (or a Message) the body of `m`, with the fields it needs.
---@param opts table # type, subtype, charset, params, filename, cid, disposition, headers; exact
function M.fill(m, value, opts)
  local kind, text, ok, why, sentence
  if message.is(value) then
    kind = "message/rfc822"
  else
    kind, text, sentence = typed(value, opts)
    if not kind then return nil, text, sentence end
  end
  ok, why, sentence = message.add(m, "Content-Type", kind)
  if ok and message.is(value) then
    ok, why, sentence = M.set(m, { value })
  elseif ok then
    ok, why, sentence = content.set_body(m, value, not text)
    if ok then ok, why, sentence = message.choose(m) end
  end
  if not ok then return nil, why, sentence end
  return add_fields(m, description(opts))
end

local ranks = { related = 1, alternative = 2, mixed = 3 }

-- Take the fields that describe the content away.
local function strip(m)
  for _, name in ipairs(m:keys()) do
    if name:lower():match("^content%-") then message.remove(m, name) end
  end
end

local function move(m, to)
  local ok, why, sentence = message.move(m, to)
  if not ok then return nil, why, sentence end
  local from, into = message.data(m), message.data(to)
  for i = #from, 1, -1 do into[i], from[i] = from[i], nil end
  into.source, from.source = from.source, nil
  into.charset, from.charset = from.charset, nil
  return true
end

--- Make `m` a multipart of that subtype; what it was becomes its first part.
function M.convert(m, subtype)
  local old = m:get_content_type():match("^multipart/(.*)$")
  if old and (ranks[old] or 4) >= ranks[subtype] then
    return nil, "misuse", ("cannot convert %s to %s"):format(old, subtype)
  end
  local first
  if message.body(m) ~= "none" then
    first = message.new()
    local ok, why, sentence = move(m, first)
    if not ok then return nil, why, sentence end
  end
  strip(m)
  local ok, why, sentence = add_fields(m, { { "Content-Type", "multipart/" .. subtype } })
  if ok then ok, why, sentence = fields.add_new(m, "MIME-Version", "1.0") end
  if not ok then return nil, why, sentence end
  return M.set(m, { first })
end

local complete = {}

function complete.mixed(value, opts)
  opts.exact = true
  opts.disposition = opts.disposition or "attachment"
  opts.filename = opts.filename or content.describe(value)
  if opts.type or opts.subtype then return end
  if opts.filename then
    opts.type = types.guess(opts.filename)
  elseif type(value) ~= "string" then
    opts.type = "application/octet-stream"
  end
end

function complete.related(value, opts)
  opts.disposition = opts.disposition or "inline"
  complete.mixed(value, opts)
end

function complete.alternative() end

--- A new part for a container of that subtype.
---@return userdata|nil part, string|nil why, string|nil sentence
function M.part(subtype, value, given)
  local opts, part = {}, message.new()
  for key, option in pairs(given) do opts[key] = option end
  complete[subtype](value, opts)
  if subtype == "alternative" and type(value) == "string" and not value:match("\n$") then value = value .. "\n" end
  local ok, why, sentence = M.fill(part, value, opts)
  if not ok then return nil, why, sentence end
  return part
end

--- Add a part, in a container of that subtype, made where it is not there yet.
function M.add(m, subtype, value, opts)
  local part, why, sentence = M.part(subtype, value, opts)
  if not part then return nil, why, sentence end
  if not m:is_multipart() or m:get_content_type() ~= "multipart/" .. subtype then
    local ok
    ok, why, sentence = M.convert(m, subtype)
    if not ok then return nil, why, sentence end
  end
  return M.attach(m, part)
end

return M
