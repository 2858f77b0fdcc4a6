-- The script of a sink: which reply a command gets instead of the usual one,
-- after what delay, and whether the connection survives it. Everything here is
-- looked up first for a verb with its subject ("RCPT nobody@example.org"), then
-- for the verb alone ("RCPT"). Rests on nothing.
--
-- A reply is
--   "550 5.1.1 no"                   a line; its line end is added
--   "250-a\r\n250 b\n"               ends with LF: goes out exactly as it is
--   { "250-a", "250 b" }             lines; their ends are added
--   { raw = "25" }                   bytes, exactly as they are
--   { endless = "250-more\r\n" }     repeated until the client gives up
--   function(session, argument)      returns one of these, or nil for the usual
-- and a table may also say delay=seconds, stall=true, disconnect=fate.

local script = {}

---@param map table|nil rules by key
---@param verb string
---@param subject string|nil address, mechanism or the like
---@return any rule or nil
local function find(map, verb, subject)
  if not map then return nil end
  local rule = subject and map[verb .. " " .. subject]
  if rule == nil then rule = map[verb] end
  return rule or nil
end

local function render(reply)
  if type(reply) == "table" then
    if reply.raw or reply.endless then return reply.raw or reply.endless end
    return table.concat(reply, "\r\n") .. "\r\n"
  end
  if reply:sub(-1) == "\n" then return reply end
  return reply .. "\r\n"
end

---The steps of an answer: strings to send, and tables {action, value} for the
---driver, in order.
local function steps_of(text, rules)
  local steps = {}
  if rules.delay then steps[#steps + 1] = { "delay", rules.delay } end
  if rules.endless then
    steps[#steps + 1] = { "endless", text }
  elseif type(rules.fate) == "number" then
    steps[#steps + 1] = text:sub(1, rules.fate)
  elseif rules.fate ~= "lost" then
    steps[#steps + 1] = text
  end
  if rules.fate then steps[#steps + 1] = { "close" } end
  return steps
end

---How the session answers one command.
---
---A disconnect's fate is `true` or "before" (closed instead of an answer, the
---command has no effect), "lost" (it takes effect, then closed without answer),
---"after" (answered, then closed), or a number (so many bytes of the answer).
---@param options table replies, delays, stall, disconnect
---@param session table handed to functions
---@param key table { verb, subject, argument }
---@param usual string|table the reply without a script
---@return table steps for the driver
---@return integer|nil code of the reply; nil when the command has no effect
---@return boolean scripted whether the reply is not the usual one
function script.answer(options, session, key, usual)
  local verb, subject, argument = key[1], key[2], key[3]
  local reply = find(options.replies, verb, subject)
  if type(reply) == "function" then reply = reply(session, argument) end
  local scripted = reply ~= nil
  if not scripted then reply = usual end

  local own = type(reply) == "table" and reply or {}
  if own.stall or find(options.stall, verb, subject) then return { { "stall" } }, nil, true end
  local fate = own.disconnect or find(options.disconnect, verb, subject)
  if fate == true or fate == "before" then return { { "close" } }, nil, true end

  local text = render(reply)
  local rules = {
    delay = own.delay or find(options.delays, verb, subject),
    endless = own.endless,
    fate = fate,
  }
  return steps_of(text, rules), tonumber(text:match("^%d%d%d")), scripted
end

return script
