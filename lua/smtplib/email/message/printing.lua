-- The methods of Message that write it: as one string, in pieces, for a file.

local core = require "smtplib.core"
local check = require "smtplib.email.check"
local output = require "smtplib.email.output"

local message = core.message
local class, methods = message.class, message.methods
local check_string = check.string

local days = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local months = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

local function ctime()
  local t = os.date("*t")
  return ("%s %s %2d %02d:%02d:%02d %d"):format(days[t.wday], months[t.month], t.day, t.hour, t.min, t.sec, t.year)
end

local function unix_from(m)
  return message.data(m).unixfrom or "From nobody " .. ctime()
end

--- The mbox line, without its line end.
function methods:set_unixfrom(line)
  check_string("set_unixfrom", "line", line)
  if line:find("[\r\n%z]") then error("set_unixfrom: CR, LF or NUL in the line", 2) end
  message.data(self).unixfrom = line
end

function methods:get_unixfrom()
  return message.data(self).unixfrom
end

--- The whole message as one string, with "\n" unless `eol` says otherwise.
---@param unixfrom boolean|table|nil # begin with the mbox line; or the options at once
---@param opts table|nil # the options of source
---@return string|nil, table|nil
function methods:as_string(unixfrom, opts)
  if type(unixfrom) == "table" and opts == nil then unixfrom, opts = nil, unixfrom end
  if unixfrom ~= nil and type(unixfrom) ~= "boolean" then
    error(("bad argument 'unixfrom' to 'as_string' (boolean expected, got %s)"):format(type(unixfrom)), 2)
  end
  local text, err = output.as_string(self, opts)
  if not text then return nil, err end
  if not unixfrom then return text end
  return unix_from(self) .. (opts and opts.eol == "\r\n" and "\r\n" or "\n") .. text
end

--- As as_string, with the options of source.
function methods:as_bytes(opts)
  local bytes, err = output.as_bytes(self, opts)
  return bytes, err
end

--- A function that returns the message in pieces with "\r\n", nil at the end.
---@param opts table|nil # eol, max_line, cte = "7bit"|"8bit", utf8
---@return function|nil, table|nil
function methods:source(opts)
  local source, err = output.source(self, opts)
  return source, err
end

--- Hand the message to a function or file in pieces.
---@return boolean|nil, table|nil
function methods:write(target, opts)
  local ok, err = output.write(self, target, opts)
  return ok, err
end

--- For the SMTP classes: whether it can be sent once more. Private.
function methods:is_repeatable() return output.is_repeatable(self) end

--- For the SMTP classes: the copy that is transmitted. Private.
function methods:sending(opts) return output.sending(self, opts) end

-- With the mbox line; an address that only SMTPUTF8 carries is shown as it is.
function class.__tostring(m)
  local text = m:as_string(true)
  if text then return text end
  local body, err = m:as_string { utf8 = true }
  if not body then return ("smtplib.email.Message: %s"):format(tostring(err)) end
  return unix_from(m) .. "\n" .. body
end
