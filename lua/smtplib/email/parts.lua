-- The tree of a message: parts made of content, containers made of parts.
-- Functions here return true, or nil, an error's name and a sentence.

local core = require "smtplib.core"
local charsets = require "smtplib.email.charsets"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local flowed = require "smtplib.email.flowed"
local transfer = require "smtplib.email.transfer"
local types = require "smtplib.email.types"

local message = core.message

local M = {}

local none = {}

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

--- Fields as {name, value} in turn: an array as it stands; a table of names and
--- values in an order that stays the same.
function M.sorted(headers)
  if headers == nil then return none end
  if type(headers) == "table" and headers[1] ~= nil then return headers end
  local names, list = {}, {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names, function(x, y) return tostring(x) < tostring(y) end)
  for i, name in ipairs(names) do list[i] = { name, headers[name] } end
  return list
end

--- What is wrong with the shape of a table of header fields; nil when nothing is.
---@param headers table
---@return string|nil complaint
function M.complain_of(headers)
  local is_list = headers[1] ~= nil
  for key, field in pairs(headers) do
    local name = key
    if is_list then name = type(key) == "number" and type(field) == "table" and field[1] end
    if type(name) ~= "string" then
      return "bad option 'headers' (a table of names and values, or an array of {name, value} expected)"
    end
  end
end

local known = {
  type = "string", maintype = "string", subtype = "string", charset = "string", params = "table", cte = "string",
  flowed = "boolean", disposition = "string", filename = "string", cid = "string", length = "number",
  headers = "table",
}

-- Content that is at hand has the length that it has.
local function is_held(value)
  if type(value) == "table" and value.content ~= nil then value = value.content end
  return type(value) == "string" or message.is(value)
end

--- The options of content, checked, in a table of their own.
---@param content_given any
---@return table|nil opts, string|nil complaint
function M.options(content_given, given)
  local opts = {}
  for name, value in pairs(given) do
    local kind = known[name]
    if not kind then return nil, ("unknown option '%s'"):format(tostring(name)) end
    if type(value) ~= kind and not (name == "filename" and value == false) then
      return nil, ("bad option '%s' (%s expected, got %s)"):format(name, kind, type(value))
    end
    opts[name] = value
  end
  if opts.maintype and not opts.subtype then return nil, "option 'maintype' needs a 'subtype'" end
  if opts.subtype and not opts.type then opts.type = (opts.maintype or "text") .. "/" .. opts.subtype end
  if opts.charset then
    opts.charset = charsets.name(opts.charset)
    if not opts.charset then return nil, ("bad option 'charset' ('%s' is no charset)"):format(given.charset) end
  end
  if opts.cte then
    opts.cte = opts.cte:lower()
    if not transfer.is_known(opts.cte) then return nil, ("bad option 'cte' ('%s')"):format(given.cte) end
  end
  if opts.length and is_held(content_given) then
    return nil, "bad option 'length' (only for content that is read when it is sent)"
  end
  if opts.length and (opts.length < 0 or opts.length % 1 ~= 0) then
    return nil, "bad option 'length' (a number of bytes expected)"
  end
  local complaint = opts.headers and M.complain_of(opts.headers)
  if complaint then return nil, complaint end
  return opts
end

local function is_text(value, kind)
  return type(value) == "string" and kind:lower():match("^text/") ~= nil
end

--- Text that is the body ends with a line end, as Python's does.
function M.with_newline(value, opts)
  if is_text(value, opts.type or "text/plain") and value:byte(-1) ~= 10 then return value .. "\n" end
  return value
end

-- The fields that say what the content is for, and those that were given.
local function describe(m, opts)
  local ok, why, sentence = true, nil, nil
  local disposition = opts.disposition or opts.filename and "attachment"
  if disposition and disposition:find("[^%w.!#$&+^_`|~*'-]") then
    return nil, "misuse", ("bad option 'disposition' ('%s')"):format(disposition)
  end
  if disposition then
    if opts.filename then disposition = message.set_param(disposition, "filename", opts.filename) end
    ok, why, sentence = message.set(m, "Content-Disposition", disposition)
  end
  if ok and opts.cid and not opts.cid:find("^<?[^<>%s]+>?$") then
    return nil, "header", "header 'Content-ID': not a Message-ID"
  end
  if ok and opts.cid then
    ok, why, sentence = message.set(m, "Content-ID", opts.cid:match("^<.*>$") and opts.cid or "<" .. opts.cid .. ">")
  end
  for _, field in ipairs(M.sorted(opts.headers)) do
    if not ok then break end
    ok, why, sentence = fields.put(message.set, m, field[1], field[2])
  end
  return ok, why, sentence
end

local function put_params(kind, list)
  for _, param in ipairs(list) do
    if type(param) ~= "table" or type(param[1]) ~= "string" or type(param[2]) ~= "string" then
      return nil, "misuse", "bad option 'params' (names and values are strings)"
    end
    local changed, why, sentence = message.set_param(kind, param[1], param[2])
    if not changed then return nil, why, "header 'Content-Type': " .. sentence end
    kind = changed
  end
  return kind
end

local flowed_params = { { "format", "flowed" }, { "delsp", "no" } }

-- What text is mostly, as Content-Type says it.
local usual = { ["text/plain"] = 'text/plain; charset="utf-8"', ["text/html"] = 'text/html; charset="utf-8"' }

-- The value of Content-Type, and text that is in its charset and shape.
local function typed(value, opts)
  if type(value) == "string" and not (opts.charset or opts.exact or opts.flowed or opts.params) then
    local kind = usual[opts.type or "text/plain"]
    if kind then return kind, value, true end
  end
  local kind = opts.type or select(2, content.describe(value)) or "text/plain"
  if not message.is_type((message.params(kind))) then
    return nil, "header", ("header 'Content-Type': bad content type '%s'"):format(kind)
  end
  local why, sentence
  local text = is_text(value, kind)
  local charset = opts.charset or message.param(kind, "charset")
  if text and charset then
    value, why, sentence = charsets.convert(value, nil, charsets.name(charset) or charset)
    if not value then return nil, why, sentence end
  elseif text and (not opts.exact or message.is_utf8(value)) then
    charset = "utf-8"
  end
  if charset and not message.param(kind, "charset") then kind = message.set_param(kind, "charset", charset) end
  if opts.flowed then
    if not text or not kind:lower():match("^text/plain") then
      return nil, "misuse", "option 'flowed' is for text/plain"
    end
    value, kind = flowed.encode(value), put_params(kind, flowed_params)
  end
  kind, why, sentence = put_params(kind, M.sorted(opts.params))
  if not kind then return nil, why, sentence end
  return kind, value, text and not opts.exact
end

local function fill_content(m, value, opts)
  local kind, shaped, text = typed(value, opts)
  if not kind then return nil, shaped, text end
  local ok, why, sentence = message.add(m, "Content-Type", kind)
  if ok then ok, why, sentence = content.set_body(m, shaped, not text, opts.length) end
  if ok and opts.cte then return transfer.apply(m, opts.cte, not text) end
  if ok then ok, why, sentence = message.choose(m) end
  return ok, why, sentence
end

-- The message that content of type message/rfc822 is: its encoding is its own
-- (RFC 2046 section 5.2.1), so it is read, and written as a message.
local function message_of(value)
  local scratch = message.new()
  local ok, why, sentence = content.set_body(scratch, value, true)
  if not ok then return nil, why, sentence end
  local bytes, err = scratch:get_payload()
  if not bytes then return nil, "source", err.message end
  return message.parse(bytes)
end

-- Content whose type says that it is made of parts.
local function fill_composite(m, value, opts)
  if opts.type:lower():match("^multipart/") then
    return nil, "misuse", ("option 'type': a %s is made of Messages"):format(opts.type)
  end
  local inner, why, sentence = message_of(value)
  if not inner then return nil, why, sentence end
  local ok
  ok, why, sentence = message.add(m, "Content-Type", opts.type)
  if ok then ok, why, sentence = M.set(m, { inner }) end
  return ok, why, sentence
end

local function is_composite(kind)
  kind = kind:lower()
  return kind:match("^multipart/") or kind:match("^message/rfc822") or kind:match("^message/global$")
end

--- Make content (or a Message) the body of `m`, with the fields it needs.
---@param opts table # as M.options gives them; exact: its bytes are kept
function M.fill(m, value, opts)
  local ok, why, sentence
  if message.is(value) then
    ok, why, sentence = message.add(m, "Content-Type", "message/rfc822")
    if ok then ok, why, sentence = M.set(m, { value }) end
  elseif opts.type and is_composite(opts.type) then
    ok, why, sentence = fill_composite(m, value, opts)
  else
    ok, why, sentence = fill_content(m, value, opts)
  end
  if not ok then return nil, why, sentence end
  return describe(m, opts)
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
  into.start, from.start = from.start, nil
  into.is_spent, from.is_spent = from.is_spent, nil
  into.length, from.length = from.length, nil
  return true
end

--- Make `m`, which has no body and no type yet, a multipart without parts.
function M.contain(m, subtype)
  local ok, why, sentence = message.add(m, "Content-Type", "multipart/" .. subtype)
  if ok then ok, why, sentence = message.set_parts(m) end
  return ok, why, sentence
end

--- Make `m` a multipart of that subtype; what it was becomes its first part.
function M.convert(m, subtype)
  local old = m:get_content_type():match("^multipart/(.*)$")
  if old and (ranks[old] or 0) >= ranks[subtype] then
    return nil, "misuse", ("cannot convert %s to %s"):format(old, subtype)
  end
  local first
  if message.body(m) ~= "none" then
    first = message.new()
    local ok, why, sentence = move(m, first)
    if not ok then return nil, why, sentence end
  end
  strip(m)
  local ok, why, sentence = message.add(m, "Content-Type", "multipart/" .. subtype)
  if ok then ok, why, sentence = fields.add_new(m, "MIME-Version", "1.0") end
  if not ok then return nil, why, sentence end
  return M.set(m, { first })
end

local complete = {}

function complete.mixed(value, opts)
  opts.exact = true
  opts.disposition = opts.disposition or "attachment"
  if opts.filename == nil then opts.filename = content.describe(value) end
  if opts.type then return end
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
  if subtype == "alternative" then value = M.with_newline(value, opts) end
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
