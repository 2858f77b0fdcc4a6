-- LTN12 sources on their way to the server: a pump step of the caller's, dots that
-- were stuffed already, the line end that LuaSocket puts behind every message.
local ltn12 = {}

-- A source that gives what step(source, sink) puts into the sink.
local function stepped(source, step)
  local chunks, first, failure, is_done = {}, 1, nil, false
  local function sink(chunk, err)
    if chunk then chunks[#chunks + 1] = chunk end
    failure = failure or err
    return 1
  end
  return function()
    while not chunks[first] and not is_done do
      chunks, first = {}, 1
      local ok, err = step(source, sink)
      is_done, failure = not ok, failure or err
    end
    local chunk = chunks[first]
    if not chunk then return nil, failure end
    first = first + 1
    return chunk
  end
end

---The source, pumped by `step` where one is given, and CRLF behind it.
---@param source function
---@param step? function
---@return function
function ltn12.complete(source, step)
  local pull, is_ended = step and stepped(source, step) or source, false
  return function()
    if is_ended then return nil end
    local chunk, err = pull()
    if chunk or err then return chunk, err end
    is_ended = true
    return "\r\n"
  end
end

---A source without the dots that stuffing put before the dots of line beginnings:
---the core stuffs whatever it is given.
---@param source function
---@return function
function ltn12.unstuff(source)
  local before = "\r\n"
  return function()
    local chunk, err = source()
    if not chunk then return nil, err end
    local text = before .. chunk
    local result = text:gsub("\r\n%.", "\r\n"):sub(#before + 1)
    before = text:sub(-2)
    return result
  end
end

return ltn12
