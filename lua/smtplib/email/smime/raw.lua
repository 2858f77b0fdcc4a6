-- Just enough of a message's bytes to prove them: its header, and the parts of
-- a multipart exactly as they stand, since a signature covers bytes.

local core = require "smtplib.core"
local base64 = require "smtplib.base64"
local quopri = require "smtplib.quopri"

local message = core.message

local raw = {}

-- Header and body; a header without a body ends the text.
local function cut(bytes)
  if bytes:sub(1, 2) == "\r\n" then return "", bytes:sub(3) end
  local first, last = bytes:find("\r\n\r\n", 1, true)
  if not first then return bytes, "" end
  return bytes:sub(1, first + 1), bytes:sub(last + 1)
end

--- The entity in `bytes`: its fields (name in lower case to array of values,
--- unfolded) and its body.
function raw.entity(bytes)
  local header, body = cut(bytes)
  local found = { fields = {}, body = body }
  for line in (header:gsub("\r\n([ \t])", "%1") .. "\r\n"):gmatch("(.-)\r\n") do
    local name, value = line:match("^([^%s:]+)[ \t]*:[ \t]*(.*)$")
    if name then
      local list = found.fields[name:lower()] or {}
      found.fields[name:lower()] = list
      list[#list + 1] = value
    end
  end
  return found
end

local function first(entity, name)
  return (entity.fields[name] or {})[1]
end

--- The type in lower case ("text/plain" when there is none), and the field.
function raw.type(entity)
  local value = first(entity, "content-type") or "text/plain"
  return (message.params(value)):lower():match("^%s*(.-)%s*$"), value
end

--- The bytes of a whole message with CRLF, without an mbox line.
function raw.canonical(bytes)
  bytes = bytes:gsub("^From [^\n]*\n", "")
  if bytes:find("[^\r]\n") or bytes:find("^\n") then bytes = bytes:gsub("\r?\n", "\r\n") end
  return bytes
end

-- The next delimiter at or behind `at`: where its line end before it begins,
-- where the text after it begins, and whether it is the last one.
local function next_delimiter(body, delimiter, at)
  while true do
    local start, stop = body:find(delimiter, at, true)
    if not start then return nil end
    if body:find("^%-%-", stop + 1) then return start, #body + 1, true end
    local _, line = body:find("^[ \t]*\r\n", stop + 1)
    if line then return start, line + 1, false end
    at = stop + 1
  end
end

--- The parts of a multipart as bytes; nil when they cannot be told apart.
---@return string[]|nil
function raw.parts(entity)
  local _, value = raw.type(entity)
  local boundary = message.param(value, "boundary")
  if not boundary or boundary == "" then return nil end
  local body, delimiter, list = "\r\n" .. entity.body, "\r\n--" .. boundary, {}
  local _, from, is_last = next_delimiter(body, delimiter, 1)
  while from and not is_last do
    local start, after
    -- The line end of one delimiter may begin the next.
    start, after, is_last = next_delimiter(body, delimiter, from - 2)
    if not start then return nil end
    list[#list + 1] = body:sub(from, start - 1)
    from = after
  end
  return list
end

--- The body without its transfer encoding.
---@return string|nil bytes, table|nil err
function raw.decode(entity)
  local encoding = (first(entity, "content-transfer-encoding") or ""):lower():match("^%s*(%S*)")
  if encoding == "base64" then return base64.decode(entity.body) end
  if encoding == "quoted-printable" then return quopri.decode(entity.body) end
  return entity.body
end

return raw
