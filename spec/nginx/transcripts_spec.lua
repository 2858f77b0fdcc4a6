-- Every dialogue of spec/transcripts through a real connection, with the blocking
-- transport and with cosockets: the same bytes, the same events.
local core = require "smtplib.core"
local dialogue = require "spec.nginx.support.dialogue"
local nginx = require "spec.nginx.support.nginx"
local peer = require "spec.os.peer"
local transcript = require "spec.support.transcript"

local function paths()
  local list = {}
  for path in nginx.shell("ls spec/transcripts/*.smtp"):gmatch("%S+") do list[#list + 1] = path end
  return list
end

describe("Through a connection", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server
  setup(function() server = nginx.start() end)
  teardown(function() if server then server:stop() end end)
  after_each(function() assert.equal("", server:alarms()) end)

  local ways = {}

  function ways.blocking(port, script)
    local stream = core.tcp()
    assert(stream:connect("127.0.0.1", port, { timeout = 5 }))
    local fault, events = dialogue.play(stream, script.steps, script.options)
    stream:close()
    return fault, events
  end

  function ways.cosockets(port, script)
    return server:run([[
      local port, script = ...
      local stream = require("smtplib.transport").choose()
      assert(stream:connect("127.0.0.1", port, { timeout = 5 }))
      local fault, events = require("spec.nginx.support.dialogue").play(stream, script.steps, script.options)
      stream:close()
      return fault, events
    ]], port, script)
  end

  -- What both sides say is wrong, and the client's events.
  local function run(way, script, mode)
    local port, child = peer.serve(function(stream, channel)
      stream:settimeout(5)
      channel:send(dialogue.serve(stream, script.steps, mode) .. "\n")
    end)
    local fault, events = ways[way](port, script)
    child:channel():settimeout(5)
    local said = child:channel():receive()
    child:wait(5)
    assert.equal("\n", said)
    assert.equal("", fault)
    return events
  end

  for _, path in ipairs(paths()) do
    for _, mode in ipairs { "whole", "bytewise" } do
      it(("'%s' goes the same way with cosockets as without (%s)"):format(path:match("([^/]+)%.smtp$"), mode), function()
        local script = transcript.read(path)
        assert.same(run("blocking", script, mode), run("cosockets", script, mode))
      end)
    end
  end
end)
