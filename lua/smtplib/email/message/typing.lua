-- The methods of Message about types and parameters: Content-Type,
-- Content-Disposition, and whatever field has parameters.

local core = require "smtplib.core"
local check = require "smtplib.email.check"

local message = core.message
local methods = message.methods
local check_string, insist = check.string, check.insist

local typing = {}

--- The type of the content, without parameters.
---@return string # lower case; the default type when there is none, text/plain for nonsense
function methods:get_content_type()
  local value = message.get(self, "Content-Type")
  if not value then return self:get_default_type() end
  -- What follows a type without a semicolon is not part of it: comments, commas.
  local main = message.params(value):match("^[^%s,(]*")
  return message.is_type(main) and main:lower() or "text/plain"
end

---@return string # "text" of text/plain
function methods:get_content_maintype()
  return (self:get_content_type():match("^[^/]*"))
end

---@return string # "plain" of text/plain
function methods:get_content_subtype()
  return (self:get_content_type():match("/(.*)$"))
end

---@return string # "text/plain"; "message/rfc822" for a part of a multipart/digest that was read
function methods:get_default_type()
  return message.data(self).default_type or message.in_digest(self) and "message/rfc822" or "text/plain"
end

---@param default string
function methods:set_default_type(default)
  check_string("set_default_type", "type", default)
  message.data(self).default_type = default
end

-- The value of a field that has parameters; nil when there is no such field.
local function value_of(m, header, name)
  if header ~= nil then check_string(name, "header", header, 3) end
  return message.get(m, header or "Content-Type")
end

-- {name, value} of each parameter, the main value first; pieces of RFC 2231
-- count once, under the name that they share, and not at all without the first
-- of them. Each is decoded from its own pieces, so that all take linear time.
local function read_params(value, unquote)
  local main, names, spelt = message.params(value)
  local result, pieces, order = { { main, "" } }, {}, {}
  for i, name in ipairs(names) do
    local short = name:match("^[^*]*")
    local own = pieces[short:lower()]
    if not own then
      own = { name = short, spelt = short == name and spelt[i] or nil }
      pieces[short:lower()], order[#order + 1] = own, own
    end
    own[#own + 1] = ("; %s=%s"):format(name, spelt[i])
  end
  for _, own in ipairs(order) do
    local text = unquote == false and own.spelt or message.param(table.concat(own), own.name)
    if text then result[#result + 1] = { own.name, text } end
  end
  return result
end

--- A parameter of a header field, decoded. The main value counts as one, too,
--- with an empty text.
---@param name string
---@param default any
---@param header string|nil # "Content-Type"
---@param unquote boolean|nil # false: with the quotes around it
---@return string|any # or `default` when there is none
function methods:get_param(name, default, header, unquote)
  check_string("get_param", "name", name)
  local value = value_of(self, header, "get_param")
  for _, param in ipairs(value and read_params(value, unquote) or {}) do
    if param[1]:lower() == name:lower() then return param[2] end
  end
  return default
end

--- All parameters of a header field.
---@param default any
---@param header string|nil # "Content-Type"
---@param unquote boolean|nil # false: values with the quotes around them
---@return string[][]|any # array of {name, value}, the main value first; or `default` without such a field
function methods:get_params(default, header, unquote)
  local value = value_of(self, header, "get_params")
  if not value then return default end
  return read_params(value, unquote)
end

--- Set a parameter of a field, or remove it when there is no value.
function typing.change(m, name, value, header, level)
  local old = message.get(m, header) or (header:lower() == "content-type" and "text/plain" or "")
  local new = insist(level + 1, message.set_param(old, name, value))
  insist(level + 1, message.set(m, header, (new:gsub("^%s*;%s*", ""))))
end

--- Set a parameter, in its place or behind the others; the field keeps its
--- place, too, and is made (text/plain) when it is missing.
---@param name string
---@param value string # text in UTF-8
---@param header string|nil # "Content-Type"
function methods:set_param(name, value, header)
  check_string("set_param", "name", name)
  check_string("set_param", "value", value)
  value_of(self, header, "set_param")
  typing.change(self, name, value, header or "Content-Type", 2)
end

--- Remove a parameter; nothing happens when it is not there.
---@param name string
---@param header string|nil # "Content-Type"
function methods:del_param(name, header)
  check_string("del_param", "name", name)
  if value_of(self, header, "del_param") then
    typing.change(self, name, nil, header or "Content-Type", 2)
  end
end

--- Change the type and keep the parameters.
---@param new string # "text/html"
---@param header string|nil # "Content-Type"
function methods:set_type(new, header)
  check_string("set_type", "type", new)
  if not message.is_type(new) then error(("bad argument 'type' to 'set_type' ('%s' is no type)"):format(new), 2) end
  local value = value_of(self, header, "set_type") or ""
  header = header or "Content-Type"
  local start = value:find(";", 1, true)
  insist(2, message.set(self, header, new .. (start and value:sub(start) or "")))
  if header:lower() == "content-type" and not message.get(self, "MIME-Version") then
    insist(2, message.add(self, "MIME-Version", "1.0"))
  end
end

--- The name of the file that the part is: of Content-Disposition, else of
--- Content-Type.
---@return string|any # or `default`
function methods:get_filename(default)
  return self:get_param("filename", nil, "Content-Disposition") or self:get_param("name") or default
end

---@return string|any # the boundary between the parts, or `default`
function methods:get_boundary(default)
  local named = self:get_param("boundary")
  if named and named ~= "" then return named end
  local own = message.boundary(self)
  return own ~= "" and self:is_multipart() and own or default
end

--- Give the boundary instead of the random one.
---@param boundary string
function methods:set_boundary(boundary)
  typing.set_boundary(self, boundary, "set_boundary", 2)
end

function typing.set_boundary(m, boundary, name, level)
  check_string(name, "boundary", boundary, level + 1)
  if not message.get(m, "Content-Type") then error(name .. ": no header 'Content-Type'", level + 1) end
  if #boundary > 70 or not boundary:match("^[%w'()+_,./:=?%- ]*[%w'()+_,./:=?%-]$") then
    error(("bad argument 'boundary' to '%s' (1 to 70 characters of RFC 2046 expected)"):format(name), level + 1)
  end
  typing.change(m, "boundary", boundary, "Content-Type", level + 1)
end

--- The charset that Content-Type names.
---@return string|any # lower case; or `default`
function methods:get_content_charset(default)
  local charset = self:get_param("charset")
  return charset and charset ~= "" and charset:lower() or default
end

--- The charsets of the message and of all its parts, as walk() goes.
---@param default any # stands for a part that names none; false unless given
---@return (string|any)[]
function methods:get_charsets(default)
  local list = {}
  if default == nil then default = false end
  for part in self:walk() do list[#list + 1] = part:get_content_charset(default) end
  return list
end

---@return string|nil # lower case, without parameters
function methods:get_content_disposition()
  local value = message.get(self, "Content-Disposition")
  return value and (message.params(value):lower())
end

---@return boolean # whether Content-Disposition says "attachment"
function methods:is_attachment()
  return self:get_content_disposition() == "attachment"
end

return typing
