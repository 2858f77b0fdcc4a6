-- The methods of Message for header fields, and assignment to them.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local fields = require "smtplib.email.fields"

local message = core.message
local methods = message.methods
local check_string, insist = check.string, check.insist

local properties = { preamble = message.preamble, epilogue = message.epilogue }

function message.class.__newindex(m, name, value)
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
