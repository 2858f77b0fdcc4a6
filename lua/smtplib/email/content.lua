-- What a caller hands in as content, made the body of a message: a string, a
-- table {path=} or {content=}, a function source, an open file.

local core = require "smtplib.core"
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
--- string is text.
function M.set_body(m, value, exact)
  local data = message.data(m)
  for i = #data, 1, -1 do data[i] = nil end
  data.source = nil
  if type(value) == "table" then
    if value.content ~= nil then return M.set_body(m, value.content, exact) end
    data.source = { path = value.path }
    message.set_fed(m)
  elseif type(value) == "string" then
    return message.set_bytes(m, value, exact)
  else
    data.source = value
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

local function file_reader(file, name)
  local at = file:seek()
  local last = at and file:seek("end")
  if last then file:seek("set", at) end
  local function read()
    local bytes, why = file:read(PIECE)
    if not bytes and why then return nil, "source", ("%s: %s"):format(name, why) end
    return bytes
  end
  return read, last and last - at
end

--- A reader for the content of a fed body: a function that returns the next
--- piece, nil at the end, or nil, name, sentence; and its length if known.
---@return function|nil reader, number|string|nil length_or_name, string|nil sentence
function M.open(m)
  local source = message.data(m).source
  if type(source) == "function" then return source end
  if is_file(source) then return file_reader(source, "attachment") end
  if type(source) ~= "table" then return nil, "source", "the content has been closed" end
  local file, why = io.open(source.path, "rb")
  if not file then return nil, "source", why end
  -- A directory opens on Unix, and fails when it is read.
  local _, unreadable = file:read(0)
  if unreadable then
    file:close()
    return nil, "source", ("%s: %s"):format(source.path, unreadable)
  end
  return file_reader(file, source.path)
end

return M
