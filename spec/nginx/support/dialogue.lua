-- The dialogues of spec/transcripts over a real connection: one side is a server
-- that plays the lines marked S and checks those marked C, the other an engine on a
-- transport, which is driven as a session drives it. Runs inside nginx, too.
local core = require "smtplib.core"
local transcript = require "spec.support.transcript"

local dialogue = {}

-- Two flights of the server in a row are two, also to the client.
local APART = 0.03

local function read_exactly(stream, n)
  local bytes = ""
  while #bytes < n do
    local piece = stream:receive()
    if not piece then return bytes end
    bytes = bytes .. piece
  end
  return bytes
end

local function say(stream, text, mode)
  if mode ~= "bytewise" then return stream:send(text) end
  for i = 1, #text do
    if not stream:send(text:sub(i, i)) then return end
  end
end

---The server's side, on a connection that has been accepted.
---@return string fault the empty string when the client said what it should
function dialogue.serve(stream, steps, mode)
  local before
  for _, step in ipairs(steps) do
    if step.mark == "C" then
      local got = read_exactly(stream, #step.text)
      if got ~= step.text then return ("line %d: expected %q, got %q"):format(step.number, step.text, got) end
    elseif step.mark == "S" or step.mark == "E" then
      if before == "S" then core.sleep(APART) end
      if step.mark == "E" then return "" end
      say(stream, step.text, mode)
    end
    before = (step.mark == "C" or step.mark == "S") and step.mark or before
  end
  local more = stream:receive()
  return more and ("at the end: unexpected %q"):format(more) or ""
end

local function flush(transport, engine)
  if transport.flush then return transport:flush(engine) end
  return transport:send(engine:output())
end

local function fill(transport, engine)
  local bytes, name = transport:receive()
  if bytes then
    engine:input(bytes)
  elseif name == "closed" then
    engine:input_end()
  else
    return nil, name
  end
  return true
end

-- The next event. Where the engine has nothing to do although something is expected,
-- the server has spoken unasked.
local function next_event(transport, engine, is_idle_expected)
  while true do
    local result = { engine:next() }
    local what = result[1]
    local ok, name
    if what == "send" then
      ok, name = flush(transport, engine)
    elseif what == "receive" or (what == "idle" or what == "content") and not is_idle_expected then
      ok, name = fill(transport, engine)
    else
      return transcript.show(result[1], result[2], result[3], result[4], result[5], result[6], result[7])
    end
    if not ok then return "broken " .. tostring(name) end
  end
end

-- Send what may leave before the next step, and keep what the engine says of it.
local function settle(transport, engine, kept)
  while true do
    local result = { engine:next() }
    local what = result[1]
    if what == "send" then
      if not flush(transport, engine) then return end
    elseif what == "receive" or what == "idle" or what == "content" or what == "failed" then
      return
    else
      kept[#kept + 1] = transcript.show(result[1], result[2], result[3], result[4], result[5], result[6], result[7])
    end
  end
end

---The client's side, on a connected transport.
---@return string fault the empty string when all events were as expected
---@return string[] events
function dialogue.play(transport, steps, options)
  local engine = core.engine(options.lmtp == true, options.reply_line, options.reply_lines)
  local events, kept = {}, {}
  for _, step in ipairs(steps) do
    if step.mark == ">" then
      local op, args = step.text:match("^(%S+) ?(.*)$")
      local ok, name = transcript.ops[op](engine, args)
      if not ok then kept[#kept + 1] = "refused " .. name end
      settle(transport, engine, kept)
    elseif step.mark == "=" then
      local rests = step.text == "idle" or step.text == "content"
      local event = table.remove(kept, 1) or next_event(transport, engine, rests)
      events[#events + 1] = event
      if not transcript.matches(event, step.text) then
        return ("line %d: expected %q, got %q"):format(step.number, step.text, event), events
      end
    end
  end
  settle(transport, engine, kept)
  return "", events
end

return dialogue
