-- What stands behind MAIL FROM: and RCPT TO: (RFC 5321 §4.1.2): a path, whose
-- local part may be a quoted string with any character in it, and parameters.

local path = {}

---@param s string begins at "<"
---@return string|nil address without its brackets
---@return string|nil rest behind ">"
local function split(s)
  if s:sub(1, 1) ~= "<" then return nil end
  local at, quoted = 2, false
  while at <= #s do
    local c = s:sub(at, at)
    if quoted and c == "\\" then
      at = at + 1
    elseif c == '"' then
      quoted = not quoted
    elseif c == ">" and not quoted then
      return s:sub(2, at - 1), s:sub(at + 1)
    end
    at = at + 1
  end
  return nil
end

---@param s string "<address> KEY=value KEY"
---@return string|nil address
---@return table|nil parameters by upper-case name; true without a value
function path.parse(s)
  local address, rest = split(s)
  if not address or rest:find("^[^ ]") then return nil end
  local parameters = {}
  for word in rest:gmatch("[^ ]+") do
    local name, value = word:match("^([%w][%w-]*)=(.+)$")
    name = name or word:match("^[%w][%w-]*$")
    if not name then return nil end
    parameters[name:upper()] = value or true
  end
  return address, parameters
end

---RFC 3461 §4: xtext, as in ENVID and ORCPT.
function path.decode_xtext(s)
  return (s:gsub("%+(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

return path
