-- What may be sent as a message: a string, an email.Message, a function that
-- returns the next chunk (an LTN12 source), an open file. Each becomes a table
-- { text= } or { pull= } with what is known of it; opened before MAIL, so that
-- what can fail fails before anything is sent.
local core = require "smtplib.core"
local email = require "smtplib.email"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local misuse = require "smtplib.misuse"

local content = {}

local CHUNK = 65536

---@class smtplib.Content
---@field text string?      all of it
---@field pull function?    the next chunk; nil at the end; nil, err
---@field size integer?     as SIZE counts
---@field has_8bit boolean? nil when unknown
---@field utf8 boolean?     its header needs SMTPUTF8

local function is_file(value)
  if io.type(value) then return true end
  local kind = type(value)
  return (kind == "table" or kind == "userdata") and not email.is_message(value) and type(value.read) == "function"
end

---Raise unless the value is something to send.
function content.check(value, func)
  local kind = type(value)
  if kind == "string" or kind == "function" or email.is_message(value) then return end
  if kind ~= "nil" and is_file(value) then
    if io.type(value) == "closed file" then
      misuse.argument("message", func, "open file expected, got a closed one")
    end
    return
  end
  misuse.argument("message", func, "string, Message, function or file expected, got "
    .. (value == nil and "no value" or kind))
end

-- An error table from whatever a source gave up with.
local function failure(err)
  err = errors.of_cause(err, "the message's source failed")
  err.delivery, err.command = "none", err.command or "DATA"
  return err
end

local function guarded(next_chunk)
  return function()
    local ok, chunk, err = guard.call(next_chunk)
    if not ok then return nil, failure(chunk) end
    if chunk == nil then return nil, err ~= nil and failure(err) or nil end
    if type(chunk) == "number" then chunk = tostring(chunk) end
    if type(chunk) ~= "string" then return nil, failure("a chunk must be a string, not " .. type(chunk)) end
    return chunk
  end
end

local function of_string(text)
  local size, has_8bit = core.measure(text)
  return { text = text, size = size, has_8bit = has_8bit }
end

local function of_message(message, wanted)
  local source, size, has_8bit, has_utf8 = message:sending(wanted)
  if not source then return nil, failure(size) end
  return { pull = source, size = size, has_8bit = has_8bit, utf8 = has_utf8 }
end

---Open a message for sending.
---@param value any
---@param wanted table for a Message: cte, utf8, drop, add
---@return smtplib.Content? opened
---@return smtplib.Error? err
function content.open(value, wanted)
  if type(value) == "string" then return of_string(value) end
  if email.is_message(value) then return of_message(value, wanted) end
  if type(value) == "function" then return { pull = guarded(value) } end
  return { pull = guarded(function() return value:read(CHUNK) end) }
end

---True for what can be sent a second time.
function content.is_repeatable(value)
  return type(value) == "string" or (email.is_message(value) and value:is_repeatable())
end

return content
