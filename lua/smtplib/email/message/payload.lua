-- The methods of Message for its payload as Python's classic Message has them:
-- text, bytes or an array of parts; and its charset.

local core = require "smtplib.core"
local charsets = require "smtplib.email.charsets"
local check = require "smtplib.email.check"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local misuse = require "smtplib.misuse"
local parts = require "smtplib.email.parts"
local typing = require "smtplib.email.message.typing"

local message = core.message
local methods = message.methods
local fail, check_string, insist = check.fail, check.string, check.insist

-- An array of messages, without holes.
local function is_list(value)
  if type(value) ~= "table" or not misuse.is_array(value) then return false end
  for _, part in ipairs(value) do
    if not message.is(part) then return false end
  end
  return true
end

-- Text that a charset was given for is held in that charset.
local function convert(m, charset)
  local kind, bytes = message.body(m)
  if kind ~= "bytes" then return true end
  local converted, why, sentence = charsets.convert(bytes, message.data(m).charset, charset)
  if not converted then return nil, why, sentence end
  if converted == bytes then return true end
  return content.set_body(m, converted, charsets.is_wide(charset))
end

local function set_charset(m, charset, level)
  check_string("set_charset", "charset", charset, level + 1)
  local name = charsets.name(charset)
  if not name then
    error(("bad argument 'charset' to 'set_charset' ('%s' is no charset)"):format(charset), level + 1)
  end
  if not message.is_encoded(m) then insist(level + 1, convert(m, name)) end
  message.data(m).charset = name
  insist(level + 1, fields.add_new(m, "MIME-Version", "1.0"))
  insist(level + 1, fields.add_new(m, "Content-Type", "text/plain"))
  typing.change(m, "charset", name, "Content-Type", level + 1)
  insist(level + 1, message.choose(m))
end

--- Replace the payload; the fields stay.
---@param payload string|table|function|nil # text or bytes, an array of Messages, {path=}, a source
---@param charset string|nil # as of set_charset
function methods:set_payload(payload, charset)
  message.data(self).charset = nil
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
  if charset ~= nil then set_charset(self, charset, 2) end
end

local function read_fed(m)
  local reader, name, sentence = content.open(m)
  if not reader then return nil, require("smtplib.errors").from_core(name, sentence) end
  local pieces = {}
  while true do
    local piece, err = content.pull(reader)
    if err then return nil, err end
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1] = piece
  end
end

--- The payload: a string, or an array of parts; `i` (from 1) gives one part.
---@param i integer|nil
---@param decode boolean|nil # undo the transfer encoding; nil for a multipart
function methods:get_payload(i, decode)
  if i ~= nil and type(i) ~= "number" then fail("get_payload", "i", "number", i, 2) end
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
  if decode then return message.content(self) end
  return value
end

---@return boolean
function methods:is_multipart()
  return message.body(self) == "parts"
end

--- Add a part. A message without payload becomes multipart/mixed.
function methods:attach(part)
  if not message.is(part) then fail("attach", "part", "Message", part, 2) end
  local kind = message.body(self)
  if message.data(self).is_leaf then error("attach: not a multipart, it cannot have parts", 2) end
  if kind == "none" then
    insist(2, fields.add_new(self, "MIME-Version", "1.0"))
    insist(2, fields.add_new(self, "Content-Type", "multipart/mixed"))
    insist(2, parts.set(self, {}))
  elseif kind ~= "parts" then
    error("attach: the payload is not an array of parts", 2)
  end
  insist(2, parts.attach(self, part))
end

--- Name the charset of the payload and put it into that charset (what is not
--- UTF-8 is taken to be in it already); have it encoded for transport, unless
--- a Content-Transfer-Encoding was set by hand.
---@param charset string|nil # nil takes the parameter away
function methods:set_charset(charset)
  if charset ~= nil then
    set_charset(self, charset, 2) -- no tail call: the error names the caller's line
    return
  end
  message.data(self).charset = nil
  if message.get(self, "Content-Type") then typing.change(self, "charset", nil, "Content-Type", 2) end
end

---@return string|nil
function methods:get_charset()
  return message.data(self).charset
end
