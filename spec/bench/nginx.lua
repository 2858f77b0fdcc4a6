-- Measures mail from nginx, a message for each request: a Mailer of this library, a
-- connection for each message of this library, and lua-resty-mail's way
-- (resty_way.lua), against the same sink (sink.c; with STARTTLS and AUTH PLAIN
-- smtplib.sink), with a round trip of 0 and of 20 ms. One worker; its CPU time is
-- counted less what a request costs that sends nothing. Judges nothing.
--
--   luajit spec/bench/nginx.lua [--messages N] [--delay MILLISECONDS]...
--                               [--rounds N] [--plain]
--
-- From the top folder, after `make`, all on one processor (taskset -c 0): what it
-- takes to wake another one up is not ours. --plain: without TLS.
package.path = "./?.lua;" .. package.path
local core = require "smtplib.core"
local delay = require "spec.bench.delay"
local figures = require "spec.bench.figures"
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"
local trial = require "spec.bench.trial"

local options = { messages = 2000, rounds = 3, delays = {}, plain = false }

local function read_options(given)
  local i = 1
  while given[i] do
    if given[i] == "--plain" then
      options.plain = true
    elseif given[i] == "--delay" then
      i = i + 1
      options.delays[#options.delays + 1] = assert(tonumber(given[i]), "milliseconds, please")
    else
      local name = given[i]:match("^%-%-(%l+)$")
      i = i + 1
      assert(type(options[name]) == "number", "unknown option")
      options[name] = assert(tonumber(given[i]), "a number, please")
    end
    i = i + 1
  end
  if not options.delays[1] then options.delays = { 0, 20 } end
end

-- Each way is a location; nothing of what a request costs differs but the sending.
local http = [[
  keepalive_requests 1000000;
  init_by_lua_block {
    local text = ("A line of the text, as long as its neighbours are, or nearly so.\n"):rep(16)
    local mail = { from = "sender@example.com", to = { "recipient@example.org" }, subject = "A message", text = text }
    local options = %s
    local smtplib = require "smtplib"
    local way = require "spec.bench.resty_way"
    local login = options.user and { user = options.user, password = options.password }
    local function settings()
      return { host = "127.0.0.1", port = options.port, user = options.user, password = options.password,
        tls = options.user and "starttls" or false, tls_options = options.user and { cafile = options.cafile } or nil }
    end
    local context = options.user and assert(smtplib.ssl.create_default_context { cafile = options.cafile })
    local given = settings()
    given.max_messages = 1000000
    local mailer = smtplib.Mailer(given)
    WAYS = {}
    function WAYS.nothing() return true end
    function WAYS.mailer() return mailer:send(mail) end
    function WAYS.connection()
      local given = settings()
      given.tls_options, given.context = nil, context
      local server, err = smtplib.SMTP(given)
      if not server then return nil, err end
      local refused
      refused, err = server:send_message(smtplib.email.Message(mail))
      server:quit()
      return refused, err
    end
    function WAYS.resty()
      return way.send({ host = "127.0.0.1", port = options.port, user = options.user, password = options.password }, mail)
    end
  }
]]

local server = [[
  location / {
    content_by_lua_block {
      local ok, err = WAYS[ngx.var.uri:sub(2)]()
      if not ok then ngx.log(ngx.ERR, tostring(err)) end
      ngx.exit(ok and 204 or 500)
    }
  }
]]

-- Seconds of CPU time of a process, to the system's clock tick.
local function cpu_of(pid)
  local stat = nginx.read_file("/proc/" .. ("%d"):format(pid) .. "/stat"):match("%) (.*)$")
  local words = {}
  for word in stat:gmatch("%S+") do words[#words + 1] = word end
  return (tonumber(words[12]) + tonumber(words[13])) / 100
end

local function request(stream, way)
  assert(stream:send("GET /" .. way .. " HTTP/1.1\r\nHost: x\r\n\r\n"))
  local said = ""
  repeat said = said .. assert(stream:receive()) until said:find("\r\n\r\n", 1, true)
  if not said:find("^HTTP/1.1 204") then error(way .. ": " .. said) end
end

-- The quick sink, in clear: its counts come when it ends.
local Quick = {}
Quick.__index = Quick

local function start_quick()
  local file = nginx.shell("mktemp"):match("%S+")
  local pid = nginx.shell(("build/bench/sink --no-chunking >%s 2>&1 & echo $!"):format(file)):match("%d+")
  local self = setmetatable({ pid = pid, file = file }, Quick)
  assert(nginx.eventually(function()
    self.port = tonumber(nginx.read_file(file):match("port (%d+)"))
    return self.port
  end))
  return self
end

function Quick:finish()
  nginx.shell("kill -TERM " .. self.pid)
  assert(nginx.eventually(function() return nginx.read_file(self.file):find("\nturns %d") end))
  local said = nginx.read_file(self.file)
  os.remove(self.file)
  return tonumber(said:match("\nturns (%d+)")), tonumber(said:match("\nmessages (%d+)"))
end

local Careful = {}
Careful.__index = Careful

local function start_careful()
  local there = assert(sink.start { tls = "starttls", auth = { me = "secret" }, mechanisms = { "PLAIN" } })
  return setmetatable({ there = there, port = there.port, cafile = there.cafile }, Careful)
end

function Careful:finish()
  local stats = self.there:stats()
  self.there:stop()
  return stats.turns, stats.messages
end

local function run(host, way, n)
  local stream = core.tcp()
  assert(stream:connect("unix:" .. host.socket, 0, { timeout = 60 }))
  for _ = 1, math.min(n, 20) do request(stream, way) end
  local worker = host:workers()[1]
  local wall, cpu = core.now(), cpu_of(worker)
  for _ = 1, n do request(stream, way) end
  wall, cpu = core.now() - wall, cpu_of(worker) - cpu
  stream:close()
  return { n = n, wall = wall, cpu = cpu }
end

-- One way, with a server and an nginx of its own.
local function measure_one(way, n, milliseconds, is_tls)
  local mail = is_tls and start_careful() or start_quick()
  local port, relay = mail.port, nil
  if milliseconds > 0 then port, relay = delay.start(mail.port, milliseconds / 1000) end
  local host = nginx.start { server = server, http = http:format(is_tls
    and ("{ port = %d, user = 'me', password = 'secret', cafile = '%s' }"):format(port, mail.cafile)
    or ("{ port = %d }"):format(port)) }
  local nothing = run(host, "nothing", options.messages)
  local numbers = run(host, way, n)
  numbers.cpu = numbers.cpu - nothing.cpu / nothing.n * n
  host:stop()
  if relay then relay:channel():close() end
  local turns, messages = mail:finish()
  numbers.turns_each = turns / messages
  return numbers
end

local function measure(milliseconds, is_tls)
  local n = milliseconds > 0 and math.max(5, math.floor(options.messages / 20)) or options.messages
  local rows = {
    { name = "lua-resty-mail's way", way = "resty", rounds = {} },
    { name = "connection per message", way = "connection", rounds = {} },
    { name = "Mailer", way = "mailer", rounds = {} },
  }
  for round = 1, options.rounds do
    for _, row in ipairs(rows) do row.rounds[round] = measure_one(row.way, n, milliseconds, is_tls) end
  end
  return rows, n
end

local columns = {
  { title = "messages/s", decimals = 0, value = function(x) return x.n / x.wall end },
  { title = "CPU us each", decimals = 0, value = function(x) return x.cpu / x.n * 1e6 end },
  { title = "turns each", decimals = 2, value = function(x) return x.turns_each end },
}

read_options(arg)
local missing = nginx.missing()
if missing then
  print(missing)
  os.exit(0)
end
assert(trial.prepare())
for _, milliseconds in ipairs(options.delays) do
  for _, is_tls in ipairs(options.plain and { false } or { false, true }) do
    local rows, n = measure(milliseconds, is_tls)
    figures.print(("%d requests of nginx, a message of 1 KiB each, round trip %g ms, %s"):format(n, milliseconds,
      is_tls and "STARTTLS and AUTH" or "in clear"), columns, rows)
  end
end
