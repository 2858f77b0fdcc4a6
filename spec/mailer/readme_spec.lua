-- The README's section about the Mailer: its example runs as it stands there, and no
-- option is left out.
local farms = require "spec.mailer.farm"
local smtplib = require "smtplib"

local function section()
  local file = assert(io.open("README.md", "rb"))
  local text = file:read("*a")
  file:close()
  return assert(text:match("\n### A Mailer\n(.-)\n### "), "no section about the Mailer")
end

-- Run the example with its Mailer led to `sink`; what it printed, line by line.
local function run(code, sink)
  local lines = {}
  local led = { Mailer = function(options)
    options.host, options.tls_options = { "localhost:1", "localhost:" .. sink.port }, { cafile = sink.cafile }
    options.tls = "starttls"
    return smtplib.Mailer(options)
  end }
  local surroundings = setmetatable({ smtplib = led, print = function(...)
    local words = { n = select("#", ...), ... }
    for i = 1, words.n do words[i] = tostring(words[i]) end
    lines[#lines + 1] = table.concat(words, " ")
  end }, { __index = _G })
  local chunk
  if rawget(_G, "setfenv") then
    chunk = assert(rawget(_G, "loadstring")(code, "=README"))
    rawget(_G, "setfenv")(chunk, surroundings)
  else
    chunk = assert(load(code, "=README", "t", surroundings))
  end
  chunk()
  return lines
end

describe("The README", function()
  it("has an example of a Mailer that works", function()
    local sink = assert(smtplib.sink.start { tls = "starttls", auth = { me = "secret" }, require_auth = true,
      replies = { ["RCPT nobody@example.org"] = "550 5.1.1 no such user" } })
    local lines = run(section():match("```lua\n(.-)```"), sink)
    local arrived = sink:messages()[1]
    assert.equal(2, #arrived.to)
    local message = smtplib.email.message_from_string(arrived.data)
    assert.same({ message["Message-ID"] .. " 250", "nobody@example.org 550 no such user" }, lines)
    assert.equal("Grüße", message["Subject"])
    assert.equal("me", arrived.auth_user)
    assert.equal(0, sink:stats().open)
    sink:stop()
  end)

  it("names every option of a Mailer's own, and what it counts", function()
    local text = section()
    for _, name in ipairs { "host", "port", "tls", "lmtp", "pool_size", "idle_timeout", "max_messages", "retries", "backoff", "rate" } do
      assert.truthy(text:find("\n|[^|]*`" .. name .. "`"), name)
    end
    local mailer = farms.simple()
    for _, name in ipairs { "sent", "failed", "refused", "connections", "reconnects", "round_trips", "bytes" } do
      assert.truthy(text:find("`" .. name .. "`", 1, true), name)
      assert.equal(0, mailer.metrics[name])
    end
  end)
end)
