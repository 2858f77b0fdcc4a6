-- Dialogues as data (spec/transcripts/*.smtp), replayed on the bare engine
-- without any socket. A file is read from top to bottom:
--
--   # text         a comment
--   ! lmtp         options of the engine: lmtp, reply_line=N, reply_lines=N
--   > op args      what the caller asks for (see `ops`)
--   C: line        the client must send this line now; lines in a row are one
--                  flight, no more and no less
--   C| bytes       the same without a line end, escapes \r \n \0 \\ allowed
--   S: line        the server sends this; lines in a row arrive together
--   S| bytes
--   S.             the server closes
--   = event        what the engine must report next, in order:
--                  "250 MAIL text", "250 RCPT#2", "moot 503 RCPT#1",
--                  "done accepted", "content", "challenge bytes", "idle",
--                  "failed name"
local core = require "smtplib.core"

local transcript = {}

local escapes = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

local function unescape(text)
  return (text:gsub("\\(.)", function(c) return assert(escapes[c], "escape \\" .. c) end))
end

local function parse_line(line, number)
  if line == "" or line:sub(1, 1) == "#" then return nil end
  local mark, rest = line:match("^([!>=]) ?(.*)$")
  if mark then return { mark = mark, text = rest, number = number } end
  if line == "S." then return { mark = "E", number = number } end
  local side, kind, text = line:match("^([CS])([:|]) ?(.*)$")
  assert(side, "line " .. number .. " is not understood: " .. line)
  return { mark = side, text = kind == ":" and text .. "\r\n" or unescape(text), number = number }
end

-- Lines in a row from one side are one flight.
local function append(steps, step)
  local last = steps[#steps]
  if last and last.mark == step.mark and (step.mark == "C" or step.mark == "S") then
    last.text = last.text .. step.text
  else
    steps[#steps + 1] = step
  end
end

---@param path string
---@return table script {steps=, options=}
function transcript.read(path)
  local script, number = { steps = {}, options = {} }, 0
  for line in io.lines(path) do
    number = number + 1
    local step = parse_line(line, number)
    if step and step.mark == "!" then
      local name, value = step.text:match("^([%w_]+)=?(%d*)$")
      script.options[name] = tonumber(value) or true
    elseif step then
      append(script.steps, step)
    end
  end
  return script
end

local ops = {}

function ops.command(engine, text)
  local verb, args = text:match("^(%S+) ?(.*)$")
  return engine:command(verb, args ~= "" and args or nil)
end

function ops.transaction(engine, text)
  local list = {}
  for path in text:gmatch("%S+") do list[#list + 1] = path end
  assert(engine:begin("FROM:<" .. list[1] .. ">", true))
  for i = 2, #list do assert(engine:recipient("TO:<" .. list[i] .. ">")) end
  return engine:commit()
end

function ops.data(engine)
  return engine:data()
end

function ops.content(engine, text)
  engine:content(unescape(text), true)
  return true
end

function ops.more(engine, text)
  engine:content(unescape(text), false)
  return true
end

function ops.auth(engine, text)
  local mechanism, user, password, nonce = text:match("^(%S+) (%S*) (%S*) ?(%S*)$")
  return engine:auth { mechanism = mechanism, user = user, password = password, nonce = nonce, initial = true }
end

function ops.hand(engine, text)
  local mechanism, initial = text:match("^(%S+) ?(.*)$")
  return engine:auth_by_hand(mechanism, initial ~= "" and initial or nil)
end

function ops.respond(engine, text)
  return engine:respond(unescape(text))
end

function ops.expect(engine)
  return engine:expect()
end

function ops.raw(engine, text)
  return engine:raw(unescape(text))
end

---What the engine's next() says, as a script writes it.
local function show(what, a, b, c, d, e, f)
  if what == "reply" then
    local number = e > 0 and "#" .. ("%d"):format(e) or ""
    local text = c ~= "" and " " .. c:gsub("\n", "/") or ""
    return (f and "moot " or "") .. ("%d"):format(b) .. " " .. a .. number .. (d and " " .. d or "") .. text
  end
  if what == "failed" then return "failed " .. a end
  if what == "done" then return "done " .. a end
  if what == "challenge" then return "challenge " .. a end
  return what
end

local Replay = {}
Replay.__index = Replay

-- Run the engine until it wants the network or has nothing to do.
function Replay:settle()
  while true do
    local result = { self.engine:next() }
    local what = result[1]
    if what == "send" then
      self.sent = self.sent .. self.engine:output()
    elseif what == "receive" then
      return
    else
      local shown = show(result[1], result[2], result[3], result[4], result[5], result[6], result[7])
      if what == "idle" or what == "content" or what == "failed" then
        self.resting = shown
        return
      end
      self.events[#self.events + 1] = shown
    end
  end
end

-- A text that an event begins with is enough, so that scripts need not repeat
-- every word of a reply.
local function matches(actual, expected)
  return actual == expected or actual:sub(1, #expected + 1) == expected .. " "
end

transcript.show, transcript.matches, transcript.ops = show, matches, ops

local function complain(step, expected, actual)
  error(("line %d: expected %q, got %q"):format(step.number, expected, tostring(actual)), 0)
end

local steps = {}

steps[">"] = function(replay, step)
  local op, args = step.text:match("^(%S+) ?(.*)$")
  local ok, name = assert(ops[op], "no op " .. op)(replay.engine, args)
  if not ok then replay.events[#replay.events + 1] = "refused " .. name end
  replay.resting = nil
  replay:settle()
end

function steps.C(replay, step)
  if replay.sent ~= step.text then complain(step, step.text, replay.sent) end
  replay.sent = ""
end

function steps.S(replay, step)
  replay.resting = nil
  if replay.mode ~= "bytewise" then
    replay.engine:input(step.text)
    return replay:settle()
  end
  for i = 1, #step.text do
    replay.engine:input(step.text:sub(i, i))
    replay.resting = nil
    replay:settle()
  end
end

function steps.E(replay)
  replay.engine:input_end()
  replay.resting = nil
  replay:settle()
end

steps["="] = function(replay, step)
  local actual = table.remove(replay.events, 1)
  if not actual then
    actual, replay.resting = replay.resting, nil
  end
  if not actual or not matches(actual, step.text) then complain(step, step.text, actual) end
end

---Replay a script; raises with the line at which it differs.
---@param script table
---@param mode "whole"|"bytewise"|"trailing"
function transcript.replay(script, mode)
  local options = script.options
  local replay = setmetatable({
    engine = core.engine(options.lmtp == true, options.reply_line, options.reply_lines),
    events = {}, sent = "", mode = mode,
  }, Replay)
  replay:settle()
  for _, step in ipairs(script.steps) do steps[step.mark](replay, step) end
  if replay.sent ~= "" then error("at the end: unexpected output " .. replay.sent, 0) end
  if replay.events[1] then error("at the end: unexpected event " .. replay.events[1], 0) end
  return replay
end

return transcript
