-- The class Message: Python's email.message.Message and EmailMessage in one.
-- A message is userdata (core.message); what is here gives it its methods.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local output = require "smtplib.email.output"
local parts = require "smtplib.email.parts"
local typing = require "smtplib.email.typing"

local message = core.message
local class, methods = message.class, message.methods

local fail, check_string, insist = check.fail, check.string, check.insist

-- --- header fields -------------------------------------------------------------

local properties = { preamble = message.preamble, epilogue = message.epilogue }

function class.__newindex(m, name, value)
  if type(name) ~= "string" then
    error(("a header's name is a string, not a %s"):format(type(name)), 2)
  end
  if properties[name] then
    if value == nil then value = false end
    insist(2, properties[name](m, value))
  elseif value == nil then
    message.remove(m, name)
  else
    insist(2, fields.put(message.set, m, name, value))
  end
end

--- Append a field; `params` become its parameters ("_" in a name is "-").
---@param name string
---@param value string|number|table
---@param params table<string, string>|nil
function methods:add_header(name, value, params)
  check_string("add_header", "name", name)
  local text = insist(2, fields.text(name, value == nil and "" or value))
  local names = {}
  for key in pairs(params or {}) do names[#names + 1] = key end
  table.sort(names)
  for _, key in ipairs(names) do
    check_string("add_header", "params", params[key])
    text = insist(2, message.set_param(text, (key:gsub("_", "-")), params[key]))
  end
  insist(2, message.add(self, name, text))
end

---@return string|any # the text of the first field of that name, or `default`
function methods:get(name, default)
  check_string("get", "name", name)
  local value = message.get(self, name)
  if value == nil then return default end
  return value
end

---@return string[] # of all fields of that name; empty when there is none
function methods:get_all(name)
  check_string("get_all", "name", name)
  return message.get_all(self, name)
end

---@return string|nil # the value as it is on the wire, encoded and folded
function methods:raw(name)
  check_string("raw", "name", name)
  return (message.raw(self, name))
end

---@return boolean
function methods:contains(name)
  check_string("contains", "name", name)
  return message.get(self, name) ~= nil
end

--- Replace the value of the first field of that name, in its place.
function methods:replace_header(name, value)
  check_string("replace_header", "name", name)
  if not insist(2, fields.put(message.replace, self, name, value)) then
    error(("header '%s': there is none to replace"):format(name), 2)
  end
end

local function list(m, pick)
  local result = {}
  for i = 1, message.count(m) do result[i] = pick(message.field(m, i)) end
  return result
end

---@return string[]
function methods:keys()
  return list(self, function(name) return name end)
end

---@return string[]
function methods:values()
  return list(self, function(_, value) return value end)
end

---@return string[][] # array of {name, value}
function methods:items()
  return list(self, function(name, value) return { name, value } end)
end

-- --- payload -------------------------------------------------------------------

local function is_list(value)
  if type(value) ~= "table" or #value == 0 and next(value) ~= nil then return false end
  for _, part in ipairs(value) do
    if not message.is(part) then return false end
  end
  return true
end

---@param payload string|table|function|nil # text or bytes, an array of Messages, {path=}, a source
---@param charset string|nil
function methods:set_payload(payload, charset)
  if payload == nil then
    message.clear_body(self)
  elseif message.is(payload) then
    insist(2, parts.set(self, { payload }))
  elseif is_list(payload) then
    insist(2, parts.set(self, payload))
  elseif content.is_content(payload) then
    insist(2, content.set_body(self, payload, false))
    if message.get(self, "Content-Transfer-Encoding") and not message.is_encoded(self) then
      insist(2, message.choose(self))
    end
  else
    fail("set_payload", "payload", "string, array of Messages or content", payload, 2)
  end
  if charset ~= nil then self:set_charset(charset) end
end

local function read_fed(m)
  local reader, name, sentence = content.open(m)
  if not reader then return nil, require("smtplib.errors").from_core(name, sentence) end
  local pieces = {}
  while true do
    local piece, err, why = reader()
    if not piece then
      if err then return nil, require("smtplib.errors").from_core(why and err or "source", why or tostring(err)) end
      return table.concat(pieces)
    end
    pieces[#pieces + 1] = piece
  end
end

local function decode_bytes(m, bytes)
  local encoding = message.is_encoded(m) and message.get(m, "Content-Transfer-Encoding"):lower():match("^%s*([^%s;]*)")
  if encoding == "base64" then return require("smtplib.base64").decode(bytes) or bytes end
  if encoding == "quoted-printable" then return require("smtplib.quopri").decode(bytes) or bytes end
  return bytes
end

--- The payload: a string, or an array of parts; `i` (from 1) gives one part.
---@param i integer|nil
---@param decode boolean|nil # undo the transfer encoding; nil for a multipart
function methods:get_payload(i, decode)
  local kind, value = message.body(self)
  if kind == "parts" then
    if decode then return nil end
    local data = message.data(self)
    if i ~= nil then return data[i] end
    local found = {}
    for n = 1, value do found[n] = data[n] end
    return found
  end
  if i ~= nil then error("get_payload: the payload is not an array of parts", 2) end
  if kind == "none" then return nil end
  if kind == "fed" then return read_fed(self) end
  return decode and decode_bytes(self, value) or value
end

---@return boolean
function methods:is_multipart()
  return message.body(self) == "parts"
end

--- Add a part. A message without payload becomes multipart/mixed.
function methods:attach(part)
  if not message.is(part) then fail("attach", "part", "Message", part, 2) end
  local kind = message.body(self)
  if kind == "none" then
    insist(2, fields.add_new(self, "MIME-Version", "1.0"))
    insist(2, fields.add_new(self, "Content-Type", "multipart/mixed"))
    insist(2, parts.set(self, {}))
  elseif kind ~= "parts" then
    error("attach: the payload is not an array of parts", 2)
  end
  insist(2, parts.attach(self, part))
end

local function visit(m, found)
  found[#found + 1] = m
  if message.body(m) ~= "parts" then return end
  for _, part in ipairs(message.data(m)) do visit(part, found) end
end

--- The message and all its parts, depth first.
---@return function iterator
function methods:walk()
  local found, i = {}, 0
  visit(self, found)
  return function()
    i = i + 1
    return found[i]
  end
end

local charsets = { ["utf-8"] = true, ["us-ascii"] = true }

--- Name the charset of the payload, and have it encoded for transport.
---@param charset string|nil # nil takes the parameter away
function methods:set_charset(charset)
  message.data(self).charset = charset
  if charset == nil then
    if message.get(self, "Content-Type") then typing.change(self, "charset", nil, "Content-Type", 2) end
    return
  end
  check_string("set_charset", "charset", charset)
  local name = charset:lower()
  if name == "utf8" then name = "utf-8" end
  if not charsets[name] and not name:match("^[%w%-_.:]+$") then
    error(("bad charset '%s'"):format(charset), 2)
  end
  message.data(self).charset = name
  insist(2, fields.add_new(self, "MIME-Version", "1.0"))
  insist(2, fields.add_new(self, "Content-Type", "text/plain"))
  typing.change(self, "charset", name, "Content-Type", 2)
  insist(2, message.choose(self))
end

---@return string|nil
function methods:get_charset()
  return message.data(self).charset
end

-- --- modern content ------------------------------------------------------------

--- Remove the payload and the fields that describe it.
function methods:clear_content()
  for _, name in ipairs(self:keys()) do
    if name:lower():match("^content%-") then message.remove(self, name) end
  end
  methods.set_payload(self, nil)
end

--- Remove all fields and the payload.
function methods:clear()
  for _, name in ipairs(self:keys()) do message.remove(self, name) end
  methods.set_payload(self, nil)
end

local content_options = {
  type = true, subtype = true, charset = true, filename = true, cid = true, disposition = true,
  headers = true, params = true,
}

local function check_content(name, value, opts, level)
  if not message.is(value) and not content.is_content(value) then
    fail(name, "content", "string, Message, {path=} or source", value, level + 1)
  end
  for key in pairs(opts) do
    if not content_options[key] then error(("unknown option '%s'"):format(tostring(key)), level + 1) end
  end
end

--- Replace the payload by text (or other content) with the fields it needs.
---@param value string|table|function
---@param opts table|nil # type, subtype, charset, filename, cid, disposition, headers, params
function methods:set_content(value, opts)
  opts = opts or {}
  check_content("set_content", value, opts, 2)
  local kind = opts.type or "text/"
  if type(value) == "string" and kind:lower():match("^text/") and not value:match("\n$") then value = value .. "\n" end
  methods.clear_content(self)
  insist(2, parts.fill(self, value, opts))
  insist(2, fields.add_new(self, "MIME-Version", "1.0"))
end

---@return string|userdata|nil # text or bytes, decoded; the message in a message/rfc822
function methods:get_content()
  if self:get_content_maintype() == "message" and self:is_multipart() then return self:get_payload(1) end
  return self:get_payload(nil, true)
end

function methods:make_mixed() insist(2, parts.convert(self, "mixed")) end
function methods:make_alternative() insist(2, parts.convert(self, "alternative")) end
function methods:make_related() insist(2, parts.convert(self, "related")) end

local function add_part(m, subtype, name, value, opts)
  opts = opts or {}
  check_content(name, value, opts, 3)
  insist(3, parts.add(m, subtype, value, opts))
end

--- Add a part beside the others: a string, Message, {path=} or source.
---@param value string|userdata|table|function
---@param opts table|nil # type, filename, cid, disposition, headers
function methods:add_attachment(value, opts) add_part(self, "mixed", "add_attachment", value, opts) end

--- Add another form of the same text, better than those before it.
function methods:add_alternative(value, opts) add_part(self, "alternative", "add_alternative", value, opts) end

--- Add what the first part refers to (an image by its cid).
function methods:add_related(value, opts) add_part(self, "related", "add_related", value, opts) end

-- --- output --------------------------------------------------------------------

local days = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local function ctime()
  local t = os.date("*t")
  return ("%s %s %2d %02d:%02d:%02d %d"):format(days[t.wday], months[t.month], t.day, t.hour, t.min, t.sec, t.year)
end

--- The mbox line, without its line end.
function methods:set_unixfrom(line)
  check_string("set_unixfrom", "line", line)
  if line:find("[\r\n%z]") then error("set_unixfrom: CR, LF or NUL in the line", 2) end
  message.data(self).unixfrom = line
end

function methods:get_unixfrom()
  return message.data(self).unixfrom
end

--- The whole message as one string, with "\n".
---@param unixfrom boolean|nil # begin with the mbox line
---@return string|nil, table|nil
function methods:as_string(unixfrom)
  local text, err = output.as_string(self, {})
  if not text then return nil, err end
  if not unixfrom then return text end
  return (self:get_unixfrom() or "From nobody " .. ctime()) .. "\n" .. text
end

--- As as_string, with the options of source.
function methods:as_bytes(opts)
  local bytes, err = output.as_bytes(self, opts)
  return bytes, err
end

--- A function that returns the message in pieces with "\r\n", nil at the end.
---@param opts table|nil # eol, max_line, cte = "7bit"|"8bit", utf8
---@return function|nil, table|nil
function methods:source(opts)
  local source, err = output.source(self, opts)
  return source, err
end

--- Hand the message to a function or file in pieces.
---@return boolean|nil, table|nil
function methods:write(target, opts)
  local ok, err = output.write(self, target, opts)
  return ok, err
end

--- For the SMTP classes: whether it can be sent once more. Private.
function methods:is_repeatable() return output.is_repeatable(self) end

--- For the SMTP classes: the copy that is transmitted. Private.
function methods:sending(opts) return output.sending(self, opts) end

-- With the mbox line; an address that only SMTPUTF8 carries is shown as it is.
function class.__tostring(m)
  local text = m:as_string(true)
  if text then return text end
  local body, err = output.as_string(m, { utf8 = true })
  if not body then return ("smtplib.email.Message: %s"):format(tostring(err)) end
  return (m:get_unixfrom() or "From nobody " .. ctime()) .. "\n" .. body
end

return methods
