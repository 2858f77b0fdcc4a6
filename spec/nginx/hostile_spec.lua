-- Servers that misbehave, at every stage: what a client makes of them through
-- cosockets is what it makes of them through the blocking transport.
local nginx = require "spec.nginx.support.nginx"
local scenario = require "spec.nginx.support.scenario"
local sink = require "smtplib.sink"

local stages = { "greeting", "EHLO", "MAIL", "RCPT", "RCPT c@example.org", "DATA", ".", "NOOP", "QUIT" }

-- What a server does at a stage.
local faults = {
  ["refuses for now"] = { replies = "450 4.2.0 later" },
  ["refuses"] = { replies = { "550-5.1.1 no", "550 5.1.1 never" } },
  ["closes with 421"] = { replies = "421 4.3.2 closing" },
  ["asks for more"] = { replies = "354 what" },
  ["asks for a response"] = { replies = "334 " },
  ["says no number"] = { replies = "hello" },
  ["says half a number"] = { replies = "2x0 ok" },
  ["says too small a code"] = { replies = "99 ok" },
  ["says too large a code"] = { replies = "600 ok" },
  ["says nothing on a line"] = { replies = { raw = "\r\n" } },
  ["says two codes in one reply"] = { replies = { "250-one", "550 two" } },
  ["says an equals sign"] = { replies = "250=ok" },
  ["says NULs"] = { replies = { raw = "250 \0\0\0\r\n" } },
  ["says a line that is too long"] = { replies = "250 " .. ("x"):rep(5000) },
  ["never stops"] = { replies = { endless = "250-more\r\n" } },
  ["says one more reply"] = { replies = { "250 ok", "250 one more" } },
  ["says half a reply and goes"] = { disconnect = 7 },
  ["says a byte and goes"] = { disconnect = 1 },
  ["goes"] = { disconnect = true },
  ["does it and goes"] = { disconnect = "lost" },
  ["answers and goes"] = { disconnect = "after" },
}

local silences = {
  ["says nothing"] = { stall = true },
  ["says half a reply and no more"] = { replies = { raw = "250-two li" } },
}

local kinds = {
  ["a server"] = {},
  ["a server without PIPELINING"] = { extensions = { PIPELINING = false } },
  ["an LMTP server"] = { lmtp = true },
}

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

describe("Through cosockets as through the blocking transport goes", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server
  setup(function() server = nginx.start() end)
  teardown(function() if server then server:stop() end end)
  after_each(function() assert.equal("", server:alarms()) end)

  -- Messages as they arrived.
  local function taken(mail)
    local list = {}
    for i, message in ipairs(mail:take()) do
      local to = {}
      for j, recipient in ipairs(message.to) do to[j] = recipient.addr end
      list[i] = ("%s > %s, %d bytes"):format(message.from, table.concat(to, ","), #message.data)
    end
    return table.concat(list, "\n")
  end

  local nothing = { replies = false, disconnect = false, stall = false }

  local function script_of(fault, stage)
    local script = {}
    for name in pairs(nothing) do script[name] = fault[name] and { [stage] = fault[name] } or false end
    return script
  end

  local function compare(mail, options, stage, what, fault)
    mail:script(script_of(fault, stage))
    local expected = table.concat(scenario.run(options), "\n") .. "\n" .. taken(mail)
    local got = server:run("return require('spec.nginx.support.scenario').run(...)", options)
    got = table.concat(got, "\n") .. "\n" .. taken(mail)
    if got ~= expected then
      error(("at %s: %s:\n%s\nthrough cosockets:\n%s"):format(stage, what, expected, got), 0)
    end
  end

  for _, kind in ipairs(sorted_keys(kinds)) do
    it(kind .. " that misbehaves", function()
      local mail = assert(sink.start(kinds[kind]))
      finally(function() mail:stop() end)
      local options = { host = mail.host, port = mail.port, lmtp = kinds[kind].lmtp, timeout = 10 }
      for _, stage in ipairs(stages) do
        for _, what in ipairs(sorted_keys(faults)) do compare(mail, options, stage, what, faults[what]) end
      end
    end)
  end

  it("a server that falls silent", function()
    local mail = assert(sink.start())
    finally(function() mail:stop() end)
    local options = { host = mail.host, port = mail.port, timeout = 0.2 }
    for _, stage in ipairs(stages) do
      for _, what in ipairs(sorted_keys(silences)) do compare(mail, options, stage, what, silences[what]) end
    end
  end)
end)
