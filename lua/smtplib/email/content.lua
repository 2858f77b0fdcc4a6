-- What a caller hands in as content, made the body of a message: a string, a
-- table {path=} or {content=}, a function source, an open file.

local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"
local types = require "smtplib.email.types"

local message = core.message
local PIECE = 65536

local M = {}

local function is_file(value)
  return io.type(value) == "file"
end

--- Whether set_body takes the value.
function M.is_content(value)
  local kind = type(value)
  if kind == "string" or kind == "function" or is_file(value) then return true end
  return kind == "table" and (type(value.path) == "string" or M.is_content(value.content))
end

--- Make `value` the body of `m`. `exact`: its bytes arrive as they are; else a
--- string is text. `length`: what a function will give, in bytes.
function M.set_body(m, value, exact, length)
  local data = message.data(m)
  for i = #data, 1, -1 do data[i] = nil end
  data.source, data.start, data.is_spent, data.length = nil, nil, nil, nil
  if type(value) == "table" then
    if value.content ~= nil then return M.set_body(m, value.content, exact, length) end
    data.source = { path = value.path }
    message.set_fed(m)
  elseif type(value) == "string" then
    return message.set_bytes(m, value, exact)
  else
    data.source, data.length = value, length
    message.set_fed(m)
  end
  return true
end

--- The name and type that content suggests.
function M.describe(value)
  if type(value) == "table" and value.path then
    local name = types.basename(value.path)
    return name, types.guess(name)
  end
end

-- Reads a file from where it stands; `is_ours`: it was opened here, and is closed
-- at its end. Of one that is not, several readers may take turns.
local function file_reader(file, name, is_ours)
  local at = file:seek()
  local last = at and file:seek("end")
  if last then file:seek("set", at) end
  local next_at = last and not is_ours and at
  local function read()
    if not file then return nil end
    if next_at then file:seek("set", next_at) end
    local bytes, why = file:read(PIECE)
    next_at = next_at and next_at + #(bytes or "")
    if not bytes and is_ours then
      file:close()
      file = nil
    end
    if not bytes and why then return nil, "source", ("%s: %s"):format(name, why) end
    return bytes
  end
  return read, last and last - at
end

-- Each reading of a caller's file begins where the first one did; one that
-- cannot be wound back counts as read once it has been.
local function again(data, file)
  if data.start then return file:seek("set", data.start) end
  data.start = file:seek()
  return not data.is_spent
end

-- A reader that notes that its source has begun to give.
local function once(data, reader)
  return function()
    data.is_spent = true
    return reader()
  end
end

-- A caller's function; what io's functions return behind their sentence is a number.
local function of_function(data, source)
  return function()
    data.is_spent = true
    local bytes, why = source()
    return bytes, why
  end
end

local failed = "the content's source failed"
local spent = "the content's source can be read once, and has been"

--- A reader for the content of a fed body: a function that returns the next
--- piece, nil at the end, or nil, name, sentence; and its length if known.
---@return function|nil reader, number|string|nil length_or_name, string|nil sentence
function M.open(m)
  local data = message.data(m)
  local source = data.source
  if type(source) == "function" then
    if data.is_spent then return nil, "source", spent end
    return of_function(data, source), data.length
  end
  if is_file(source) then
    if not again(data, source) then return nil, "source", spent end
    local reader, length = file_reader(source, "attachment")
    return once(data, reader), length
  end
  if type(source) ~= "table" then return nil, "source", "the content has been closed" end
  local file, why = io.open(source.path, "rb")
  if not file then return nil, "source", why end
  -- A directory opens on Unix, and fails when it is read.
  local _, unreadable = file:read(0)
  if unreadable then
    file:close()
    return nil, "source", ("%s: %s"):format(source.path, unreadable)
  end
  return file_reader(file, source.path, true)
end

--- The next piece of a reader that `open` gave; nil at the end, nil and an error
--- table when there is none to get.
---@return string|nil piece, table|nil err
function M.pull(reader)
  local called, bytes, why, sentence = guard.call(reader)
  if not called then return nil, errors.of_cause(bytes, failed) end
  if bytes == nil and why == nil or type(bytes) == "string" then return bytes end
  if bytes ~= nil then why = "a piece must be a string, not " .. type(bytes) end
  if sentence then return nil, errors.from_core(why, sentence) end
  return nil, errors.of_cause(why, failed)
end

--- Whether `open` would give the content of this part again.
function M.is_repeatable(m)
  local data = message.data(m)
  if type(data.source) == "function" then return not data.is_spent end
  return not (is_file(data.source) and data.is_spent and not data.start)
end

return M
