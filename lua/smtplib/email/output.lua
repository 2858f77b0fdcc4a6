-- A message on its way out: pull sources over the writer of the core. What the
-- writer wants fed is read here, in Lua, so that a source may yield.

local core = require "smtplib.core"
local content = require "smtplib.email.content"
local errors = require "smtplib.errors"

local message = core.message

local M = {}

local known = { eol = true, max_line = true, cte = true, utf8 = true, rfc2047_names = true }

local function check_options(name, opts, level)
  if opts == nil then return {} end
  if type(opts) ~= "table" then
    error(("bad argument 'opts' to '%s' (table expected, got %s)"):format(name, type(opts)), level + 1)
  end
  for key in pairs(opts) do
    if not known[key] then error(("unknown option '%s'"):format(tostring(key)), level + 1) end
  end
  if opts.eol ~= nil and opts.eol ~= "\n" and opts.eol ~= "\r\n" and opts.eol ~= "keep" then
    error("bad option 'eol' (\"\\n\", \"\\r\\n\" or \"keep\" expected)", level + 1)
  end
  if opts.cte ~= nil and opts.cte ~= "7bit" and opts.cte ~= "8bit" then
    error("bad option 'cte' (\"7bit\" or \"8bit\" expected)", level + 1)
  end
  if opts.max_line ~= nil and (type(opts.max_line) ~= "number" or opts.max_line < 40 or opts.max_line > 998) then
    error("bad option 'max_line' (a number from 40 to 998 expected)", level + 1)
  end
  return opts
end

-- Open what is to be fed, in the order of the tree, before anything is sent.
local function open_fed(m, readers, lengths)
  local kind, count = message.body(m)
  if kind == "fed" then
    local reader, length, why = content.open(m)
    if not reader then return nil, length, why end
    readers[#readers + 1] = reader
    lengths[#lengths + 1] = length or false
  elseif kind == "parts" then
    local parts = message.data(m)
    for i = 1, count do
      local ok, name, why = open_fed(parts[i], readers, lengths)
      if not ok then return nil, name, why end
    end
  end
  return true
end

--- Whether the message can be written once more: none of its sources is spent.
---@return boolean
function M.is_repeatable(m)
  local kind, count = message.body(m)
  if kind == "fed" then return content.is_repeatable(m) end
  for i = 1, kind == "parts" and count or 0 do
    if not M.is_repeatable(message.data(m)[i]) then return false end
  end
  return true
end

-- One piece for the writer; nil and an error table when there is none to get.
local function feed(writer, reader)
  local bytes, err = content.pull(reader)
  if err then return nil, err end
  local ok, name, text = writer:feed(bytes)
  if not ok then return nil, errors.from_core(name, text) end
  return true
end

local function pull(writer, readers)
  local failure
  return function()
    if failure then return nil, failure end
    while true do
      local bytes, wanted, name, sentence = writer:read()
      if bytes then return bytes end
      if name then
        failure = errors.from_core(name, sentence)
        return nil, failure
      end
      if not wanted then return nil end
      local ok, err = feed(writer, readers[wanted])
      if not ok then
        failure = err
        return nil, err
      end
    end
  end
end

local none = {}

-- The line end to write, and whether what was read keeps its own. A message that
-- was read with line ends of several kinds keeps them unless told otherwise: which
-- of them were meant as such is not ours to say.
local function line_end(m, eol, default)
  if eol and eol ~= "keep" then return eol, false end
  local read = message.line_ends(m)
  if eol == "keep" then return read ~= "mixed" and read or default, true end
  return default, read == "mixed"
end

-- The header that a DKIM signature covers is written as it was when it was made.
local function style(m, opts)
  local signed = message.data(m).signed
  if signed and message.get(m, "DKIM-Signature") then return 78, signed.utf8 end
  return opts.max_line or 78, opts.utf8 or false
end

-- A pull function and the writer behind it, or nil and an error table.
local function open(m, opts, default_eol)
  local readers, lengths = {}, {}
  local ok, name, sentence = open_fed(m, readers, lengths)
  if not ok then return nil, errors.from_core(name, sentence) end
  local eol, keep = line_end(m, opts.eol, default_eol)
  local max_line, utf8 = style(m, opts)
  local writer
  writer, name, sentence = message.writer(m, eol, max_line, opts.cte, utf8,
    opts.drop or none, opts.add or none, lengths, opts.for_wire or false, keep, opts.rfc2047_names or false)
  if not writer then return nil, errors.from_core(name, sentence) end
  return pull(writer, readers), writer
end

function M.source(m, opts)
  local source, writer = open(m, check_options("source", opts, 3), "\r\n")
  if not source then return nil, writer end
  return source
end

--- For smtp.lua: the copy of the message that is transmitted.
---@param opts table # cte, utf8; drop = array of names; add = array of {name, value}
---@return function|nil source, number|table|nil length, boolean has_8bit, boolean has_utf8
function M.sending(m, opts)
  local add = {}
  for _, field in ipairs(opts.add or none) do
    add[#add + 1] = field[1]
    add[#add + 1] = field[2]
  end
  local source, writer = open(m, {
    cte = opts.cte, utf8 = opts.utf8, max_line = opts.max_line, drop = opts.drop, add = add,
    eol = "\r\n", for_wire = true,
  }, "\r\n")
  if not source then return nil, writer end
  return source, writer:measure(), writer:flags()
end

local function collect(source)
  local chunks = {}
  while true do
    local chunk, err = source()
    if not chunk then
      if err then return nil, err end
      return table.concat(chunks)
    end
    chunks[#chunks + 1] = chunk
  end
end

local function whole(m, opts)
  local source, err = open(m, opts, "\n")
  if not source then return nil, err end
  return collect(source)
end

function M.as_string(m, opts)
  return whole(m, check_options("as_string", opts, 3))
end

function M.as_bytes(m, opts)
  return whole(m, check_options("as_bytes", opts, 3))
end

function M.write(m, target, opts)
  opts = check_options("write", opts, 3)
  if type(target) ~= "function" and io.type(target) ~= "file" and
     not (type(target) == "table" and target.write) then
    error("bad argument 'target' to 'write' (function or file expected)", 3)
  end
  local source, err = open(m, opts, "\r\n")
  if not source then return nil, err end
  while true do
    local chunk, failure = source()
    if not chunk then
      if failure then return nil, failure end
      return true
    end
    local ok, why
    if type(target) == "function" then
      ok, why = target(chunk)
      ok = ok or why == nil
    else
      ok, why = target:write(chunk)
    end
    if not ok then return nil, errors.of_cause(why, "the target failed") end
  end
end

return M
