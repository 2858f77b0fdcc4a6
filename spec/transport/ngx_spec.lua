local ngx_transport = require "smtplib.transport.ngx"

-- A stand-in for nginx: its cosockets record what they are told, and answer
-- from `script` (address -> true or an error; receive, send -> result).
local log, script

local cosocket = {}
cosocket.__index = cosocket

function cosocket.settimeouts(_, ...) log[#log + 1] = "settimeouts " .. table.concat({ ... }, " ") end
function cosocket.bind(_, host) log[#log + 1] = "bind " .. host return 1 end
function cosocket.close(_) log[#log + 1] = "close" return 1 end
function cosocket.send(_, bytes) log[#log + 1] = "send " .. bytes
  if script.send then return script.send[1], script.send[2] end
  return #bytes
end
function cosocket.getreusedtimes(_) return 3 end

function cosocket.connect(_, ...)
  local words = { ... }
  if type(words[#words]) == "table" then words[#words] = words[#words].pool .. "/" .. words[#words].pool_size end
  log[#log + 1] = "connect " .. table.concat(words, " ")
  local result = script[words[1]]
  if type(result) == "table" then result = table.remove(result, 1) end
  if result == nil or result == true then return 1 end
  return nil, result
end

function cosocket.receiveany(_, n)
  log[#log + 1] = "receiveany " .. n
  local result = script.receive
  return result[1], result[2]
end

function cosocket.setkeepalive(_, ms, size)
  log[#log + 1] = "setkeepalive " .. ms .. " " .. tostring(size)
  return 1
end

describe("the transport inside nginx", function()
  local before

  -- A handler is a coroutine, which may wait.
  local function it_in_a_handler(name, f)
    it(name, function() coroutine.wrap(f)() end)
  end

  before_each(function()
    log, script = {}, {}
    before = rawget(_G, "ngx")
    rawset(_G, "ngx", {
      get_phase = function() return script.phase or "content" end,
      socket = { tcp = function() return setmetatable({}, cosocket) end },
    })
  end)
  after_each(function() rawset(_G, "ngx", before) end)

  it_in_a_handler("connects with its time-outs in milliseconds", function()
    local stream = ngx_transport.new()
    assert.is_true(stream:connect("192.0.2.1", 25, { timeout = { connect = 1.5, send = 0.0001, read = math.huge } }))
    assert.same({ "settimeouts 1500 1 2147483000", "connect 192.0.2.1 25" }, log)
    assert.is_true(stream:is_open())
    assert.is_false(stream:is_loopback())
  end)

  it_in_a_handler("writes hosts the way nginx wants them", function()
    local rows = {
      -- host, what nginx is told, loopback?
      { "mail.example", "connect mail.example 25", false },
      { "::1", "connect [::1] 25", true },
      { "2001:db8::1", "connect [2001:db8::1] 25", false },
      { "127.0.0.9", "connect 127.0.0.9 25", true },
      { "unix:/run/x", "connect unix:/run/x", true },
      { "/run/x", "connect unix:/run/x", true },
    }
    for _, row in ipairs(rows) do
      local stream = ngx_transport.new()
      assert(stream:connect(row[1], 25))
      assert.equal(row[2], log[#log])
      assert.equal(row[3], stream:is_loopback(), row[1])
    end
  end)

  it_in_a_handler("knows localhost, which nginx would look up, by both addresses", function()
    script["[::1]"] = "connection refused"
    local stream = ngx_transport.new()
    assert(stream:connect("localhost", 25))
    assert.equal("connect 127.0.0.1 25", log[#log])
    assert.is_true(stream:is_loopback())
  end)

  it_in_a_handler("draws again where nginx has drawn an address to which there is no way", function()
    local rows = {
      -- what the addresses say in turn, result, how many were tried
      { { "network is unreachable", "network is unreachable", true }, true, 3 },
      { { "connection refused", true }, true, 2 },
      { { "connection refused", "connection refused", "connection refused", true }, "ECONNREFUSED", 3 },
      { { "timeout", true }, "timeout", 1 },
      { { "no route to host", "network is unreachable", "connection refused", true }, "ECONNREFUSED", 3 },
    }
    for _, row in ipairs(rows) do
      log = {}
      script["mail.example"] = row[1]
      local stream = ngx_transport.new()
      local done, name = stream:connect("mail.example", 25)
      assert.equal(row[2], done or name)
      local tried = select(2, table.concat(log, "\n"):gsub("connect mail%.example 25", ""))
      assert.equal(row[3], tried)
    end
  end)

  it_in_a_handler("binds the source address and names the pool", function()
    local stream = ngx_transport.new()
    assert(stream:connect("192.0.2.1", 25, { source_address = { "192.0.2.7", 0 }, pool = "p", pool_size = 1 }))
    assert.same({ "bind 192.0.2.7", "connect 192.0.2.1 25 p/1" }, { log[2], log[3] })
    assert.equal(3, stream:getreusedtimes())
  end)

  it_in_a_handler("gives failures the names that other hosts use", function()
    local rows = {
      { "connection refused", "ECONNREFUSED" },
      { "timeout", "timeout" },
      { "no route to host", "EHOSTUNREACH" },
      { "something new", "system" },
      { 'no resolver defined to resolve "mail.example"', "lookup", "'resolver' directive" },
      { "mail.example could not be resolved (3: Host not found)", "lookup", "Host not found" },
    }
    for _, row in ipairs(rows) do
      script["mail.example"] = row[1]
      local stream = ngx_transport.new()
      local done, name, sentence = stream:connect("mail.example", 25)
      assert.same({ nil, row[2] }, { done, name })
      assert.truthy(sentence:find(row[3] or row[1], 1, true), sentence)
      assert.equal("close", log[#log])
      assert.is_false(stream:is_open())
    end
  end)

  it_in_a_handler("fails at once in a phase that has no cosockets", function()
    for _, phase in ipairs { "init", "init_worker", "set", "header_filter", "body_filter", "log", "balancer" } do
      script.phase = phase
      local done, name, sentence = ngx_transport.new():connect("192.0.2.1", 25)
      assert.same({ nil, "phase" }, { done, name })
      assert.truthy(sentence:find(phase, 1, true))
    end
    assert.same({}, log)
  end)

  it_in_a_handler("sends and receives", function()
    local stream = ngx_transport.new()
    assert(stream:connect("192.0.2.1", 25))
    assert.is_true(stream:send("EHLO x\r\n"))
    script.receive = { "250 ok\r\n" }
    assert.equal("250 ok\r\n", stream:receive())
  end)

  it_in_a_handler("closes after any failure", function()
    for _, err in ipairs { "timeout", "closed" } do
      local stream = ngx_transport.new()
      assert(stream:connect("192.0.2.1", 25))
      script.receive = { nil, err }
      assert.equal(err, select(2, stream:receive()))
      assert.equal("close", log[#log])
      assert.equal("closed", select(2, stream:receive()))
      assert.equal("closed", select(2, stream:send("x")))
    end
    local stream = ngx_transport.new()
    assert(stream:connect("192.0.2.1", 25))
    script.send = { nil, "broken pipe" }
    assert.equal("closed", select(2, stream:send("x")))
  end)

  it_in_a_handler("gives the connection back to the pool once", function()
    local stream = ngx_transport.new()
    assert(stream:connect("192.0.2.1", 25))
    assert.is_true(stream:setkeepalive(60, 1))
    assert.equal("setkeepalive 60000 1", log[#log])
    assert.is_false(stream:is_open())
    assert.is_true(stream:close())
    assert.equal("setkeepalive 60000 1", log[#log])
    assert.equal("closed", select(2, stream:setkeepalive(60, 1)))
  end)
end)
