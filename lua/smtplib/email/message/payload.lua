-- The methods of Message for its payload as Python's classic Message has them:
-- text, bytes or an array of parts; and its charset.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local content = require "smtplib.email.content"
local fields = require "smtplib.email.fields"
local parts = require "smtplib.email.parts"
local typing = require "smtplib.email.message.typing"

local message = core.message
local methods = message.methods
local fail, check_string, insist = check.fail, check.string, check.insist

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
