-- The methods of Message about types and parameters: Content-Type,
-- Content-Disposition.

local core = require "smtplib.core"
local check = require "smtplib.email.check"

local message = core.message
local methods = message.methods
local check_string, insist = check.string, check.insist

local typing = {}

---@return string # lower case; the default type when there is none
function methods:get_content_type()
  local value = message.get(self, "Content-Type")
  if not value then return self:get_default_type() end
  local main = message.params(value)
  return message.is_type(main) and main:lower() or "text/plain"
end

function methods:get_content_maintype()
  return (self:get_content_type():match("^[^/]*"))
end

function methods:get_content_subtype()
  return (self:get_content_type():match("/(.*)$"))
end

function methods:get_default_type()
  return message.data(self).default_type or message.in_digest(self) and "message/rfc822" or "text/plain"
end

function methods:set_default_type(default)
  check_string("set_default_type", "type", default)
  message.data(self).default_type = default
end

--- A parameter of a header field, decoded.
---@return string|any # or `default` when there is none
function methods:get_param(name, default, header)
  check_string("get_param", "name", name)
  local value = message.get(self, header or "Content-Type")
  local found = value and message.param(value, name)
  if not found then return default end
  return found
end

--- Array of {name, value}, the type itself first (with an empty value).
function methods:get_params(default, header)
  local value = message.get(self, header or "Content-Type")
  if not value then return default end
  local main, names = message.params(value)
  local result, seen = { { main, "" } }, {}
  for _, name in ipairs(names) do
    name = name:match("^[^*]*")
    if not seen[name:lower()] then
      seen[name:lower()] = true
      result[#result + 1] = { name, message.param(value, name) or "" }
    end
  end
  return result
end

--- Set a parameter of a field, or remove it when there is no value.
function typing.change(m, name, value, header, level)
  local old = message.get(m, header) or (header == "Content-Type" and "text/plain" or "")
  insist(level + 1, message.set(m, header, insist(level + 1, message.set_param(old, name, value))))
end

function methods:set_param(name, value, header)
  check_string("set_param", "name", name)
  check_string("set_param", "value", value)
  typing.change(self, name, value, header or "Content-Type", 2)
end

function methods:del_param(name, header)
  check_string("del_param", "name", name)
  if message.get(self, header or "Content-Type") then
    typing.change(self, name, nil, header or "Content-Type", 2)
  end
end

--- Change the type and keep the parameters.
function methods:set_type(new, header)
  check_string("set_type", "type", new)
  if not message.is_type(new) then error(("bad content type '%s'"):format(new), 2) end
  header = header or "Content-Type"
  local value = message.get(self, header) or ""
  local start = value:find(";", 1, true)
  insist(2, message.set(self, header, new .. (start and value:sub(start) or "")))
  if not message.get(self, "MIME-Version") then insist(2, message.add(self, "MIME-Version", "1.0")) end
end

function methods:get_filename(default)
  local value = message.get(self, "Content-Disposition")
  local name = value and message.param(value, "filename")
  if not name then
    value = message.get(self, "Content-Type")
    name = value and message.param(value, "name")
  end
  return name or default
end

---@return string|any # the boundary between the parts, or `default`
function methods:get_boundary(default)
  local named = self:get_param("boundary")
  if named and named ~= "" then return named end
  local own = message.boundary(self)
  return own ~= "" and self:is_multipart() and own or default
end

function methods:set_boundary(boundary)
  check_string("set_boundary", "boundary", boundary)
  if not message.get(self, "Content-Type") then error("set_boundary: no header 'Content-Type'", 2) end
  if #boundary > 70 or not boundary:match("^[%w'()+_,./:=?%- ]*[%w'()+_,./:=?%-]$") then
    error("bad argument 'boundary' to 'set_boundary' (1 to 70 characters of RFC 2046 expected)", 2)
  end
  typing.change(self, "boundary", boundary, "Content-Type", 2)
end

function methods:get_content_charset(default)
  local charset = self:get_param("charset")
  return charset and charset:lower() or default
end

---@return string|nil # lower case, without parameters
function methods:get_content_disposition()
  local value = message.get(self, "Content-Disposition")
  return value and message.params(value):lower()
end

function methods:is_attachment()
  return self:get_content_disposition() == "attachment"
end

return typing
