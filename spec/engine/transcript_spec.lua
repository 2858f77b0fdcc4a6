-- Every dialogue of spec/transcripts, replayed whole, byte by byte, and with
-- bytes behind it that nobody asked for.
local transcript = require "spec.support.transcript"

local function files()
  local list = {}
  local pipe = assert(io.popen("ls spec/transcripts/*.smtp"))
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

describe("The engine", function()
  local paths = files()

  it("has dialogues to replay", function()
    assert.is_true(#paths > 20)
  end)

  for _, path in ipairs(paths) do
    local name = path:match("([^/]+)%.smtp$")

    it("plays '" .. name .. "' whole", function()
      transcript.replay(transcript.read(path), "whole")
    end)

    it("plays '" .. name .. "' byte by byte", function()
      transcript.replay(transcript.read(path), "bytewise")
    end)

    it("plays '" .. name .. "' and takes no bytes behind it for an answer", function()
      local engine = transcript.replay(transcript.read(path), "trailing").engine
      if engine:is_closed() or engine:awaited() ~= "" then return end
      engine:input("250 nobody asked\r\n")
      local accepted = engine:command("NOOP")
      if not accepted then return end
      local what, reason = engine:next()
      assert.equal("failed", what)
      assert.equal("unsolicited", reason)
      assert.is_nil(engine:output())
    end)
  end
end)
