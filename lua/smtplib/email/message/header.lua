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
  if name == "defects" then error("'defects' is what the parser found, and cannot be assigned", 2) end
  if properties[name] then
    if value ~= nil then check_string(name, "value", value) end
    insist(2, properties[name](m, value or false))
  elseif value == nil then
    message.remove(m, name)
  else
    insist(2, fields.put(message.set, m, name, value))
  end
end

-- Parameters as {name, value} in turn: an array as it stands, else sorted by name.
local function listed(params)
  if params[1] ~= nil then return params end
  local list = {}
  for name, value in pairs(params) do list[#list + 1] = { name, value } end
  table.sort(list, function(x, y) return tostring(x[1]) < tostring(y[1]) end)
  return list
end

-- A parameter's text; Python's {charset, language, text}, too.
local function param_text(value, level)
  if type(value) == "table" then value = value[3] end
  if type(value) == "number" then value = ("%.14g"):format(value) end
  check_string("add_header", "params", value, level + 1)
  return value
end

local encodes_params = { ["content-type"] = true, ["content-disposition"] = true }

-- Name and text of a parameter; in a field whose parameters the writer does not
-- know as such, what is not ASCII is in the form of RFC 2231 at once.
local function spelt(field, name, text)
  if encodes_params[field:lower()] or not text:find("[\128-\255]") then return name, text end
  return name .. "*", "utf-8''" .. text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
end

--- Append a field; `params` become its parameters ("_" in a name is "-").
---@param name string
---@param value string|number|table|nil
---@param params table<string, string|number>|table[]|nil # or an array of {name, value}, in that order
function methods:add_header(name, value, params)
  check_string("add_header", "name", name)
  if params ~= nil and type(params) ~= "table" then check.fail("add_header", "params", "table", params, 2) end
  local text = insist(2, fields.text(name, value == nil and "" or value))
  for _, param in ipairs(listed(params or {})) do
    if type(param) ~= "table" then check.fail("add_header", "params", "array of {name, value}", param, 2) end
    check_string("add_header", "params", param[1])
    text = insist(2, message.set_param(text, spelt(name, (param[1]:gsub("_", "-")), param_text(param[2], 2))))
  end
  if value == nil then text = text:gsub("^%s*;%s*", "") end
  insist(2, message.add(self, name, text))
end

---@return string|any # the text of the first field of that name, or `default`
function methods:get(name, default)
  check_string("get", "name", name)
  local value = message.get(self, name)
  if value == nil then return default end
  return value
end

--- The texts of all fields of that name.
---@param name string
---@param default any
---@return string[]|any # `default`, or an empty array, when there is none
function methods:get_all(name, default)
  check_string("get_all", "name", name)
  local found = message.get_all(self, name)
  if #found == 0 and default ~= nil then return default end
  return found
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
