-- Messages as LuaSocket's smtp.message takes them, a tree of tables with headers
-- and a body (a string, an LTN12 source, or an array of such tables), as one source.
-- Strings are handed through as they are; what a header field cannot hold is
-- refused before the first byte.
local core = require "smtplib.core"
local utils = require "smtplib.email.utils"

local multipart = {}

local MAX_DEPTH = 100

local odd_names = { ["mime-version"] = "MIME-Version", ["message-id"] = "Message-ID", ["content-id"] = "Content-ID",
  ["content-md5"] = "Content-MD5", ["resent-message-id"] = "Resent-Message-ID" }

local function spelt(name)
  return odd_names[name] or (name:gsub("%f[%w]%a", string.upper))
end

-- Folded by the caller is fine; any other line break would end the field.
local function is_value(text)
  local rest = text:gsub("\r\n([ \t]+[^ \t\r\n])", "%1")
  return not rest:find("[%z\r\n]")
end

local function field(name, value)
  if not name:find("^[\33-\57\59-\126]+$") then return nil, ("not the name of a header field: %q"):format(name) end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then return nil, ("header '%s': string expected, got %s"):format(name, type(value)) end
  if not is_value(value) then return nil, ("header '%s': CR, LF or NUL in the value"):format(name) end
  return spelt(name) .. ": " .. value .. "\r\n"
end

-- Their names in lower case, the caller's table as it was.
local function lowered(headers)
  local result = {}
  for name, value in pairs(headers or {}) do result[tostring(name):lower()] = value end
  return result
end

local function block(headers)
  local names, lines = {}, {}
  for name in pairs(headers) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local line, err = field(name, headers[name])
    if not line then return nil, err end
    lines[i] = line
  end
  return table.concat(lines) .. "\r\n"
end

local function boundary()
  return "=_" .. core.random(16):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

local function without_boundary(kind)
  return (kind:gsub(";%s*[Bb][Oo][Uu][Nn][Dd][Aa][Rr][Yy]%s*=[^;]*", ""))
end

local add

local function add_parts(pieces, headers, body, depth)
  local mark = boundary()
  local kind = headers["content-type"] or "multipart/mixed"
  if type(kind) == "string" then headers["content-type"] = without_boundary(kind) .. '; boundary="' .. mark .. '"' end
  local head, err = block(headers)
  if not head then return nil, err end
  pieces[#pieces + 1] = head
  if body.preamble then pieces[#pieces + 1] = body.preamble .. "\r\n" end
  for _, part in ipairs(body) do
    pieces[#pieces + 1] = "\r\n--" .. mark .. "\r\n"
    local ok
    ok, err = add(pieces, part, lowered(part.headers), depth + 1)
    if not ok then return nil, err end
  end
  pieces[#pieces + 1] = "\r\n--" .. mark .. "--\r\n\r\n"
  if body.epilogue then pieces[#pieces + 1] = body.epilogue .. "\r\n" end
  return true
end

function add(pieces, message, headers, depth)
  if depth > MAX_DEPTH then return nil, "parts within parts, more than 100 deep" end
  local body = message.body
  if type(body) == "table" then return add_parts(pieces, headers, body, depth) end
  headers["content-type"] = headers["content-type"] or 'text/plain; charset="iso-8859-1"'
  local head, err = block(headers)
  if not head then return nil, err end
  pieces[#pieces + 1] = head
  if body ~= nil then pieces[#pieces + 1] = type(body) == "function" and body or tostring(body) end
  return true
end

-- Now, as the clocks of the zone show it.
local function date(zone)
  local sign, hours, minutes = zone:match("^([+-])(%d%d)(%d%d)$")
  local offset = sign and (hours * 60 + minutes) * (sign == "-" and -60 or 60) or 0
  return (utils.formatdate(os.time() + offset):gsub("%S+$", "")) .. zone
end

-- The pieces in turn, those that are sources until they end.
local function source_of(pieces)
  local i = 1
  return function()
    while pieces[i] ~= nil do
      local piece = pieces[i]
      if type(piece) == "string" then
        i = i + 1
        return piece
      end
      local chunk, err = piece()
      if err then return nil, err end
      if chunk then return chunk end
      i = i + 1
    end
    return nil
  end
end

---An LTN12 source of a message. What is wrong with it is what the source returns,
---as nil and a sentence.
---@param message table # headers, body, zone
---@param defaults table # zone, mailer
---@return function
function multipart.source(message, defaults)
  local headers = lowered(message.headers)
  headers.date = headers.date or date(message.zone or defaults.zone)
  headers["x-mailer"] = headers["x-mailer"] or defaults.mailer
  headers["mime-version"] = "1.0"
  local pieces = {}
  local ok, err = add(pieces, message, headers, 0)
  if not ok then return function() return nil, err end end
  return source_of(pieces)
end

return multipart
