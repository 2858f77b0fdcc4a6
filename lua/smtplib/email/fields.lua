-- The value of a header field: from what a caller hands in to text. Functions
-- here return nil, an error's name and a sentence; "misuse" is the caller's.

local core = require "smtplib.core"
local misuse = require "smtplib.misuse"

local message = core.message

local M = {}

local function mailbox(entry)
  if type(entry) == "string" then return entry end
  if type(entry) ~= "table" or type(entry.addr) ~= "string" then
    return nil, "misuse", "an address is a string or a table {name=, addr=}"
  end
  local addr, why, sentence = core.parse_path(entry.addr)
  if not addr then return nil, why, sentence end
  if entry.name == nil or entry.name == "" then return addr end
  if type(entry.name) ~= "string" then return nil, "misuse", "the name of an address is a string" end
  local phrase
  phrase, why, sentence = core.phrase(entry.name)
  if not phrase then return nil, why, sentence end
  return phrase .. " <" .. addr .. ">"
end

local separators = { references = " ", ["in-reply-to"] = " ", ["message-id"] = " ", keywords = ", " }

local function join(name, value)
  local separator = message.is_address(name) and ", " or separators[name:lower()]
  if not separator then return nil, "misuse", ("header '%s': string expected, got table"):format(name) end
  local is_address = message.is_address(name)
  if is_address and value.addr ~= nil then return mailbox(value) end
  if not misuse.is_array(value) then
    return nil, "misuse", ("header '%s': an array without holes expected"):format(name)
  end
  local list = {}
  for i, entry in ipairs(value) do
    if not is_address and type(entry) ~= "string" then
      return nil, "misuse", ("header '%s': string expected, got %s"):format(name, type(entry))
    end
    local text, why, sentence = mailbox(entry)
    if not text then return nil, why, ("header '%s': %s"):format(name, sentence) end
    list[i] = text
  end
  return table.concat(list, separator)
end

--- The text of a value: a string, a number (seconds, for a date), a table of
--- addresses.
---@param name string
---@return string|nil text, string|nil why, string|nil sentence
function M.text(name, value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "table" then return join(name, value) end
  if kind ~= "number" then
    return nil, "misuse", ("header '%s': string expected, got %s"):format(name, kind)
  end
  if message.is_address(name) then
    return nil, "misuse", ("header '%s': an address expected, got number"):format(name)
  end
  if name:lower():match("date$") then
    local text, err = require("smtplib.email.utils").formatdate(value)
    if not text then return nil, "header", ("header '%s': %s"):format(name, err.message) end
    return text
  end
  return value == math.floor(value) and ("%.0f"):format(value) or tostring(value)
end

--- Append a field, or replace all of that name when `how` is message.set.
---@return boolean|nil ok, string|nil why, string|nil sentence
function M.put(how, m, name, value)
  local text, why, sentence = M.text(name, value)
  if not text then return nil, why, sentence end
  return how(m, name, text)
end

--- Append a field unless there is one.
function M.add_new(m, name, value)
  if message.get(m, name) then return true end
  return message.add(m, name, value)
end

return M
