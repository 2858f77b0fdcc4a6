-- Drives a bare engine for specs: what it wrote, what it reported, where it
-- rests. Counts its steps, so that an engine which runs in circles fails.
local core = require "smtplib.core"

local drive = {}

local resting = { receive = true, content = true, idle = true, failed = true }

---Let the engine go until it rests.
---@return string rests "receive"|"content"|"idle"|"failed"
---@return string wire what it sent
---@return table events lists of what next() returned
---@return string|nil name of the failure
---@return string|nil sentence of the failure
function drive.settle(engine)
  local wire, events = {}, {}
  for _ = 1, 100000 do
    local event = { engine:next() }
    local what = event[1]
    if what == "send" then
      local bytes = assert(engine:output(), "the engine wants to send nothing")
      wire[#wire + 1] = bytes
    elseif resting[what] then
      return what, table.concat(wire), events, event[2], event[3]
    else
      events[#events + 1] = event
    end
  end
  error("the engine does not come to rest")
end

---An engine that has read the greeting, and the EHLO with these keywords.
function drive.ready(keywords, lmtp)
  local engine = core.engine(lmtp)
  engine:input("220 hi\r\n")
  drive.settle(engine)
  if keywords then
    assert(engine:command(lmtp and "LHLO" or "EHLO", "me"))
    drive.settle(engine)
    local lines = "250-mx\r\n"
    for _, keyword in ipairs(keywords) do lines = lines .. "250-" .. keyword .. "\r\n" end
    engine:input(lines .. "250 HELP\r\n")
    drive.settle(engine)
  end
  return engine
end

---Give the engine these bytes, and let it go until it rests.
function drive.answer(engine, bytes)
  engine:input(bytes)
  return drive.settle(engine)
end

---Queue a transaction, commit it; returns its serial number.
function drive.transaction(engine, from, recipients)
  local serial = assert(engine:begin("FROM:<" .. from .. ">"))
  for _, to in ipairs(recipients) do assert(engine:recipient("TO:<" .. to .. ">")) end
  assert(engine:commit())
  return serial
end

return drive
