-- Reading messages: bytes become a Message, whatever they are. What is wrong with
-- them is listed in `defects` of the part where it is wrong.

local core = require "smtplib.core"
local errors = require "smtplib.errors"

local message = core.message

local M = {}

local PIECE = 65536

local limits = { "max_depth", "max_parts", "max_fields" }
local known = {}
for _, name in ipairs(limits) do known[name] = true end

local function check_limits(name, opts, level)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    error(("bad argument 'opts' to '%s' (table expected, got %s)"):format(name, type(opts)), level + 1)
  end
  for key, value in pairs(opts) do
    if not known[key] then error(("unknown option '%s'"):format(tostring(key)), level + 1) end
    if type(value) ~= "number" or value ~= value or value < 1 then
      error(("bad option '%s' (a number from 1 on expected)"):format(key), level + 1)
    end
  end
  return opts
end

-- The message that the core read; its mbox line goes where set_unixfrom puts it.
local function finish(m, from_or_name, sentence)
  if not m then return nil, errors.from_core(from_or_name, sentence) end
  message.data(m).unixfrom = from_or_name
  return m
end

--- A Message from its bytes; any bytes make one.
---@param s string
---@param opts table|nil # max_depth (98), max_parts (50000), max_fields (100000)
---@return userdata
function M.message_from_string(s, opts)
  if type(s) ~= "string" then
    error(("bad argument 's' to 'message_from_string' (string expected, got %s)"):format(type(s)), 2)
  end
  opts = check_limits("message_from_string", opts, 2)
  local m, err = finish(message.parse(s, opts.max_depth, opts.max_parts, opts.max_fields))
  return m, err
end

---@class smtplib.email.Parser
local Parser = {}
Parser.__index = Parser
Parser.__name = "smtplib.email.Parser"
Parser.__tostring = function() return "smtplib.email.Parser" end

--- Take the next bytes of the message, cut anywhere.
---@param bytes string
---@return smtplib.email.Parser|nil self, table|nil err
function Parser:feed(bytes)
  if type(bytes) ~= "string" then
    error(("bad argument 'bytes' to 'feed' (string expected, got %s)"):format(type(bytes)), 2)
  end
  local ok, name, sentence = self.parser:feed(bytes)
  if not ok then return nil, errors.from_core(name, sentence) end
  return self
end

--- The message that was fed. The parser can be fed another one afterwards.
---@return userdata
function Parser:close()
  local opts = self.limits
  local m, err = finish(self.parser:close(opts.max_depth, opts.max_parts, opts.max_fields))
  return m, err
end

--- A parser that is fed in pieces.
---@param opts table|nil # as of message_from_string
---@return smtplib.email.Parser
function M.Parser(opts)
  return setmetatable({ parser = message.parser(), limits = check_limits("Parser", opts, 2) }, Parser)
end

--- A Message from what a file still has; nil and an error when it cannot be read.
---@param file file*|table # with a method read
---@param opts table|nil # as of message_from_string
---@return userdata|nil, table|nil err
function M.message_from_file(file, opts)
  local kind = io.type(file) or type(file)
  if kind ~= "file" and not ((kind == "table" or kind == "userdata") and file.read) then
    error(("bad argument 'file' to 'message_from_file' (open file expected, got %s)"):format(kind), 2)
  end
  local limited = check_limits("message_from_file", opts, 2)
  local parser = setmetatable({ parser = message.parser(), limits = limited }, Parser)
  while true do
    local bytes, why = file:read(PIECE)
    if not bytes then
      if why then return nil, errors.from_core("source", tostring(why)) end
      local m, err = parser:close()
      return m, err
    end
    local ok, err = parser:feed(bytes)
    if not ok then return nil, err end
  end
end

return M
