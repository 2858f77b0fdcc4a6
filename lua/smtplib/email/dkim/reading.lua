-- A message read once for DKIM: its header, then its body.

local core = require "smtplib.core"
local errors = require "smtplib.errors"
local guard = require "smtplib.guard"

local reading = {}

local function failure(err)
  return errors.of_cause(err, "the message's source failed")
end

local function settle(ok, name, sentence)
  if ok == nil then return nil, errors.from_core(name, sentence) end
  return ok
end

-- The header's bytes of a chunk; what follows them is returned once the header
-- is complete, false before.
local function feed_header(reader, chunk, on_header)
  local rest, err = settle(reader:header(chunk))
  if not rest then return rest, err end
  local ok
  ok, err = on_header(reader)
  if not ok then return nil, err end
  return rest
end

-- A message that ends within its header has no body.
local function finish(reader, in_body, on_header)
  if not in_body then
    local rest, err = feed_header(reader, "\r\n\r\n", on_header)
    if not rest then return nil, err end
  end
  local ok, err = settle(reader:finish())
  if not ok then return nil, err end
  return reader
end

--- Read the whole of a source. `on_header(reader)` is called in between, to ask
--- for the hashes of the body.
---@param source function # returns chunks, nil at the end; nil, err
---@param on_header function # returns true, or nil and an error table
---@return userdata|nil reader
---@return table|nil err
function reading.run(source, on_header)
  local reader, err = settle(core.dkim.reader())
  if not reader then return nil, err end
  local in_body = false
  while true do
    local called, chunk, why = guard.call(source)
    if not called then return nil, failure(chunk) end
    if chunk == nil then
      if why ~= nil then return nil, failure(why) end
      return finish(reader, in_body, on_header)
    end
    if type(chunk) ~= "string" then return nil, failure("a chunk must be a string, not " .. type(chunk)) end
    local ok = chunk
    if not in_body then
      ok, err = feed_header(reader, chunk, on_header)
      in_body = ok and true
    end
    if ok then ok, err = settle(reader:body(ok)) end
    if ok == nil then return nil, err end
  end
end

--- Ask for the hash of the body in a canonical form.
---@return boolean|nil
---@return table|nil err
function reading.want(reader, canon)
  return settle(reader:want(canon))
end

--- "relaxed/simple", or the first alone, as two words.
---@return string|nil header
---@return string|nil body
function reading.canonicalization(s)
  local header, slash, body = s:lower():match("^(%a+)(/?)(%a*)$")
  if slash == "" then body = "simple" end
  local known = { simple = true, relaxed = true }
  if known[header] and known[body] then return header, body end
end

return reading
